"""How gunicorn serves the portal. Any number of these share nothing but the database."""

from serving import logs
from storage.environment import Env

worker_class = "serving.worker.BufferingWorker"  # slow clients take no thread
workers = 2
threads = 4
timeout = 30  # seconds a worker may be silent before it is replaced
graceful_timeout = 20  # seconds to finish what is in hand when the server stops
# No access log: addresses of password resets are secrets. threatreaction/access_log.py masks them.
accesslog = None
errorlog = "-"
if Env().str("LOG_FORMAT", default="text") == "json":
    logconfig_dict = logs.GUNICORN
control_socket_disable = True  # nobody needs to steer it at run time
