from __future__ import annotations

from allauth.account import views as account_views
from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required, permission_required
from django.urls import include, path
from django.views.generic import RedirectView

from panel import orders, publishing, staff_views, team_views, views
from serving.security_txt import security_txt

admin.site.site_header = admin.site.site_title = "Threat Reaction licensing"
admin.site.index_title = "Administration"
admin.site.site_url = "/panel/licenses"
admin.site.enable_nav_sidebar = False  # the lists need the width
admin.site.index_template = "panel/admin_index.html"
admin.site.login = login_not_required(  # type: ignore[method-assign]  # exempt, as the original is
    secure_admin_login(admin.site.login)
)

to_sign_in = login_not_required(
    RedirectView.as_view(pattern_name="account_request_login_code", query_string=True)
)

urlpatterns = [
    path("panel/", RedirectView.as_view(pattern_name="licenses"), name="home"),
    path("panel/request-license", views.request_license, name="request-license"),
    path("panel/licenses", views.licenses, name="licenses"),
    path("panel/licenses/<uuid:jti>/key.txt", views.download, name="download"),
    path("panel/licenses/<uuid:jti>/replace", views.replace, name="replace"),
    path("panel/orders", orders.orders, name="orders"),
    path("panel/orders/<int:pk>", orders.order, name="order"),
    path("panel/orders/<int:pk>/order.pdf", orders.order_pdf, name="order-pdf"),
    path("panel/orders/<int:pk>/pay", orders.pay, name="pay"),
    path("panel/orders/<int:pk>/cancel", orders.cancel, name="cancel"),
    path("panel/orders/<int:pk>/receipt", orders.receipt, name="receipt"),
    path("panel/orders/<int:pk>/receipt.pdf", orders.receipt_pdf, name="receipt-pdf"),
    path("panel/invoices/<int:sequence>", orders.invoice, name="invoice"),
    path("panel/invoices/<int:sequence>/invoice.pdf", orders.invoice_pdf, name="invoice-pdf"),
    path("panel/team", team_views.team, name="team"),
    path("panel/team/invite", team_views.invite, name="team-invite"),
    path("panel/team/invitations/<int:pk>/withdraw", team_views.withdraw, name="team-withdraw"),
    path("panel/team/invitations/<int:pk>/answer", team_views.answer, name="team-answer"),
    path("panel/team/members/<int:pk>/role", team_views.change_role, name="team-role"),
    path("panel/team/members/<int:pk>/remove", team_views.remove, name="team-remove"),
    path("panel/stripe/webhook", orders.stripe_webhook, name="stripe-webhook"),
    path("panel/public-key.pem", publishing.public_key_pem, name="public-key"),
    path("panel/revocations.jwt", publishing.revocations, name="revocations"),
    path(".well-known/jwks.json", publishing.jwks, name="jwks"),
    path(".well-known/security.txt", security_txt, name="security-txt"),
    # allauth's views, without those for passwords.
    path("panel/accounts/login/", to_sign_in, name="account_login"),
    path(
        "panel/accounts/login/code/",
        account_views.request_login_code,
        name="account_request_login_code",
    ),
    path(
        "panel/accounts/login/code/confirm/",
        account_views.confirm_login_code,
        name="account_confirm_login_code",
    ),
    path("panel/accounts/signup/", account_views.signup, name="account_signup"),
    path(
        "panel/accounts/confirm-email/",
        account_views.email_verification_sent,
        name="account_email_verification_sent",
    ),
    path("panel/accounts/logout/", account_views.logout, name="account_logout"),
    path("panel/accounts/inactive/", account_views.account_inactive, name="account_inactive"),
    path("panel/accounts/2fa/", include("allauth.mfa.urls")),
    path("panel/admin/search", admin.site.admin_view(staff_views.search), name="staff-search"),
    path(
        "panel/admin/numbers",
        admin.site.admin_view(
            permission_required(staff_views.NEEDED, raise_exception=True)(staff_views.day_numbers)
        ),
        name="staff-numbers",
    ),
    path("panel/admin/", admin.site.urls),
]

handler400 = "panel.errors.bad_request"
handler500 = "panel.errors.server_error"
