"""The boxes of the guide's checklist, by its headings; `french` is the guide's own text."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Group(str, enum.Enum):
    """A heading of the checklist."""

    CONFIGURATION = "configuration"
    DATABASE = "database"
    SECURITY = "security"
    PERFORMANCE = "performance"
    MONITORING = "monitoring"
    TESTS = "tests"
    DOCUMENTATION = "documentation"


@dataclass(frozen=True)
class Box:
    group: Group
    english: str
    french: str


VARIABLES = Box(
    Group.CONFIGURATION,
    "All environment variables are set",
    "Toutes les variables d'environnement sont configurées correctement",
)
NODE_ENV = Box(Group.CONFIGURATION, "NODE_ENV=production is set", "`NODE_ENV=production` est défini")
JWT_SECRET = Box(Group.CONFIGURATION, "JWT_SECRET is strong and unique", "`JWT_SECRET` est une chaîne forte et unique")
API_KEYS = Box(
    Group.CONFIGURATION,
    "The API keys (Resend, Pappers) are valid and work",
    "Les clés API (Resend, Pappers) sont valides et fonctionnelles",
)
CONNECTION = Box(
    Group.CONFIGURATION,
    "The connection to the database works",
    "La connexion à la base de données fonctionne",
)

TABLES = Box(
    Group.DATABASE,
    "All tables are there",
    "Toutes les tables sont créées (dossiers, documents, emails, notifications, etc.)",
)
SCRIPTS = Box(
    Group.DATABASE,
    "The SQL scripts have been run",
    "Les scripts SQL ont été exécutés (email_templates, notifications_table, notification_preferences)",
)
REALTIME = Box(
    Group.DATABASE,
    "Realtime is on for the tables that need it",
    "Supabase Realtime est activé pour les tables nécessaires (documents, emails, notifications)",
)
RLS = Box(
    Group.DATABASE,
    "Row level security is set up where it is needed",
    "Row Level Security (RLS) est configuré si nécessaire",
)

HTTPS = Box(Group.SECURITY, "HTTPS is set up and works", "SSL/HTTPS est configuré et fonctionne")
CERTIFICATES = Box(
    Group.SECURITY,
    "Certificates are valid and are renewed by themselves",
    "Les certificats SSL sont valides et renouvelables automatiquement",
)
FIREWALL = Box(
    Group.SECURITY,
    "Only the ports that are needed can be reached",
    "Le firewall autorise uniquement les ports nécessaires (22, 80, 443)",
)
SECRETS = Box(
    Group.SECURITY,
    "Secrets are never shown in code or logs",
    "Les secrets ne sont jamais exposés dans le code ou les logs",
)
HEADERS = Box(
    Group.SECURITY,
    "The security headers are set",
    "Les headers de sécurité sont configurés (HSTS, X-Frame-Options, etc.)",
)

CACHE = Box(
    Group.PERFORMANCE,
    "Static assets are cached for a year",
    "Les assets statiques sont servis avec cache long (1 an)",
)
COMPRESSION = Box(Group.PERFORMANCE, "Gzip and Brotli are on", "Gzip/Brotli est activé pour la compression")
PICTURES = Box(Group.PERFORMANCE, "Pictures are optimized", "Les images sont optimisées")
BUILD = Box(
    Group.PERFORMANCE,
    "The production build is optimized",
    "Le build de production est optimisé (minification, tree-shaking)",
)

LOGS = Box(Group.MONITORING, "Logs are set up and rotated", "Les logs sont configurés et rotationnés")
MONITORING = Box(
    Group.MONITORING,
    "The environment is watched",
    "Un système de monitoring est en place (PM2, Netdata, etc.)",
)
ALERTS = Box(
    Group.MONITORING,
    "Alerts are set up for critical errors",
    "Les alertes sont configurées pour les erreurs critiques",
)
BACKUPS = Box(
    Group.MONITORING,
    "The database is backed up by itself",
    "Les backups de la base de données sont automatisés",
)

UNIT_TESTS = Box(Group.TESTS, "All unit tests pass", "Tous les tests unitaires passent (`pnpm test`)")
START = Box(Group.TESTS, "The app starts without an error", "L'application démarre sans erreur")
FUNCTIONS = Box(
    Group.TESTS,
    "The main functions were tried",
    "Les fonctionnalités principales ont été testées manuellement",
)
MAIL = Box(Group.TESTS, "Test mails arrive", "Les emails de test sont reçus correctement")
SIGN_IN = Box(Group.TESTS, "Signing in works", "L'authentification fonctionne")
UPLOADS = Box(Group.TESTS, "Uploads work", "Les uploads de fichiers fonctionnent")

README = Box(Group.DOCUMENTATION, "The README is up to date", "Le README.md est à jour")
DOCS = Box(Group.DOCUMENTATION, "The documentation in /docs is complete", "La documentation dans /docs est complète")
DOCUMENTED_VARIABLES = Box(
    Group.DOCUMENTATION,
    "The environment variables are documented",
    "Les variables d'environnement sont documentées",
)
ROLLBACK = Box(
    Group.DOCUMENTATION,
    "The way back is documented, and open",
    "Les procédures de rollback sont documentées",
)

BOXES = tuple(one for one in list(globals().values()) if isinstance(one, Box))
