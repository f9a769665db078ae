"""Settings of alignapp, all read from the environment; a wrong value stops the start with a sentence."""

from __future__ import annotations

from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from alignapp import environment

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things live, and how careful to be -------------------------------------------------------------------
DEBUG = environment.boolean("DEBUG", False)
HOME = Path(environment.text("ALIGNAPP_HOME", str(BASE_DIR / "var"))).resolve()
HOME.mkdir(parents=True, exist_ok=True)

SECRET_KEY = environment.text("SECRET_KEY", "insecure-key-for-development-only" if DEBUG else None)
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = environment.words("CSRF_TRUSTED_ORIGINS")
HTTPS = environment.boolean("HTTPS", False)

# --- Applications -------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "alignapp.accounts.admin_site.AccountsAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "django_htmx",
    "template_partials",
    "alignapp.accounts",
    "training",
    "comparisons",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "alignapp.form_addresses.FormAddressMiddleware",
]

ROOT_URLCONF = "alignapp.urls"
ASGI_APPLICATION = "alignapp.asgi.application"
WSGI_APPLICATION = "alignapp.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: SQLite with one writer at a time by default, PostgreSQL by DATABASE_URL ----------------------------
DATABASES = {
    "default": dj_database_url.parse(environment.text("DATABASE_URL", f"sqlite:///{HOME / 'alignapp.sqlite3'}"))
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN, so that two writers wait for each other instead of failing.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
        # Every thread keeps a connection, and the system's cache holds the file already.
        "PRAGMA cache_size=-512;",
    }
    # Tests use a file too: a database in memory does not let threads wait for each other.
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / "test.sqlite3")}
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # A statement that a connection has asked so often is planned no more: planning took as long as answering. Behind a
    # pooler that gives each transaction another connection: 0, never.
    often = environment.integer("DATABASE_PREPARE_AFTER", 5)
    prepared = {"server_side_binding": True, "prepare_threshold": often} if often else {}
    DATABASES["default"].setdefault("OPTIONS", {}).update(prepared)
else:
    raise ImproperlyConfigured("DATABASE_URL must start with sqlite:// or postgresql://.")
DATABASES["default"]["CONN_MAX_AGE"] = environment.integer("DATABASE_CONNECTION_SECONDS", 600)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People -------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_HASHERS = [
    "alignapp.accounts.hashers.FrugalArgon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Security -----------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    },
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SILENCED_SYSTEM_CHECKS = [] if HTTPS else ["security.W004", "security.W008", "security.W012", "security.W016"]

# --- Language, time, static files, uploads ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Without DEBUG files come compressed and under names that hold their hash; `collectstatic` makes them.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
UPLOAD_LIMIT_BYTES = environment.integer("UPLOAD_LIMIT_MIB", 4096, minimum=1) * 1024 * 1024
# Folders of this machine that researchers may import from, besides ALIGNAPP_HOME/imports.
IMPORT_ROOTS = [Path(folder).resolve() for folder in environment.words("IMPORT_ROOTS")]
# A model folder that reports may compare prompts with, such as a sentence encoder, beside registered models.
EMBEDDING_MODEL = environment.text("EMBEDDING_MODEL", "")
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "alignapp.uploads.DiskUploadHandler",
]
FILE_UPLOAD_TEMP_DIR = HOME / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)

# --- Background work ----------------------------------------------------------------------------------------------
CELERY_BROKER_URL = environment.text("BROKER_URL", "redis://127.0.0.1:6390/0")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_TASK_ROUTES = {
    "training.tasks.work_on_runs": {"queue": "gpu"},
    "comparisons.tasks.answer_turns": {"queue": "live"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "global_keyprefix": "alignapp:",
    "socket_connect_timeout": 2,
    "max_retries": 0,
    "retry_on_timeout": False,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME / "celerybeat-schedule")
# Each entry is a sweep: it looks at the database and does what is due, so a lost message costs seconds, never work.
CELERY_BEAT_SCHEDULE = {
    "look for runs": {"task": "training.tasks.work_on_runs", "schedule": 10, "options": {"expires": 10}},
    "reap lost runs": {"task": "training.tasks.reap_lost_runs", "schedule": 5, "options": {"expires": 5}},
    "look for imports": {"task": "training.tasks.work_on_imports", "schedule": 10, "options": {"expires": 10}},
    "look for cleanings": {"task": "training.tasks.work_on_cleanings", "schedule": 10, "options": {"expires": 10}},
    "look for sealings": {"task": "comparisons.tasks.work_on_sealings", "schedule": 10, "options": {"expires": 10}},
    "look for surenesses": {"task": "comparisons.tasks.work_on_surenesses", "schedule": 10, "options": {"expires": 10}},
    "look for studies": {"task": "comparisons.tasks.work_on_studies", "schedule": 10, "options": {"expires": 10}},
    "tend studies": {"task": "comparisons.tasks.tend_open_studies", "schedule": 10, "options": {"expires": 10}},
    "look for turns": {"task": "comparisons.tasks.answer_turns", "schedule": 5, "options": {"expires": 5}},
    "return leases": {"task": "comparisons.tasks.return_expired_leases", "schedule": 30, "options": {"expires": 30}},
}

# Seconds without a sign of life after which a run counts as lost by its worker.
RUN_HEARTBEAT_TIMEOUT = environment.integer("RUN_HEARTBEAT_TIMEOUT", 20, minimum=5)
# Seconds a trainer may take to write its checkpoint after being told to stop.
TRAINER_STOP_GRACE = environment.integer("TRAINER_STOP_GRACE", 30, minimum=1)

# --- Serving ------------------------------------------------------------------------------------------------------
VLLM_PORT = environment.integer("VLLM_PORT", 8100, minimum=1)
VLLM_URL = environment.text("VLLM_URL", f"http://127.0.0.1:{VLLM_PORT}")
VLLM_MAX_LORA_RANK = environment.integer("VLLM_MAX_LORA_RANK", 64, minimum=1)

# --- Logging ------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": environment.text("LOG_LEVEL", "INFO")},
    # Sweeps come every few seconds; a line for each would bury what matters.
    "loggers": {
        name: {"level": "WARNING"} for name in ("httpx", "celery.app.trace", "celery.worker.strategy", "celery.beat")
    },
}
