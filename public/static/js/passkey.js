// Asks the browser for a passkey when a form with data-passkey is submitted, and submits it too.
//   data-passkey="create"  registers a passkey; data-passkey="get" signs in with one
//   data-passkey-options   the id of the JSON element that holds the server's challenge; without
//                          it, the script fetches a challenge from the form's action URL
//   [data-passkey-error]   the element that shows the error message

async function challenge(form) {
  const inPage = document.getElementById(form.dataset.passkeyOptions ?? "");
  if (inPage) {
    return JSON.parse(inPage.textContent);
  }
  const response = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (response.status === 429) {
    throw new Error("Too many attempts. Try again in a minute.");
  }
  if (!response.ok) {
    throw new Error("The portal did not respond. Try again.");
  }
  return response.json();
}

async function create(form) {
  const { creation_options: options } = await challenge(form);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
  const passwordless = form.elements.passwordless?.checked ?? false;
  publicKey.authenticatorSelection = {
    ...publicKey.authenticatorSelection,
    residentKey: passwordless ? "required" : "discouraged",
    requireResidentKey: passwordless,
    ...(passwordless && { userVerification: "required" }),
  };
  return navigator.credentials.create({ publicKey });
}

async function get(form) {
  const { request_options: options } = await challenge(form);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey);
  return navigator.credentials.get({ publicKey });
}

const ceremonies = { create, get };

function inWords(error) {
  switch (error.name) {
    case "NotAllowedError":
      return "The passkey request was canceled or timed out.";
    case "InvalidStateError":
      return "This passkey or security key is already registered.";
    case "SecurityError":
      return "Passkeys require https and the host name that they were created for.";
    default:
      return error.message;
  }
}

async function send(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const complaint = form.querySelector("[data-passkey-error]");
  complaint.hidden = true;
  try {
    const credential = await ceremonies[form.dataset.passkey](form);
    form.elements.credential.value = JSON.stringify(credential);
    form.submit(); // not requestSubmit, which would run this handler again
  } catch (error) {
    complaint.textContent = inWords(error);
    complaint.hidden = false;
  }
}

if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", send);
  }
} else {
  for (const element of document.querySelectorAll("[data-passkey-unsupported]")) {
    element.hidden = false;
  }
}
