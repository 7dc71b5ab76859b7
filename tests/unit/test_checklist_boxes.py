"""Every box of the guide's checklist has a check; the boxes are those of the guide, word by word."""

from __future__ import annotations

import pytest

from ops.checklist.guide import BOXES, Group
from ops.checklist.runner import checks, chosen
from ops.errors import MISTAKE, CommandError

GUIDE = {
    "configuration": [
        "Toutes les variables d'environnement sont configurées correctement",
        "`NODE_ENV=production` est défini",
        "`JWT_SECRET` est une chaîne forte et unique",
        "Les clés API (Resend, Pappers) sont valides et fonctionnelles",
        "La connexion à la base de données fonctionne",
    ],
    "database": [
        "Toutes les tables sont créées (dossiers, documents, emails, notifications, etc.)",
        "Les scripts SQL ont été exécutés (email_templates, notifications_table, notification_preferences)",
        "Supabase Realtime est activé pour les tables nécessaires (documents, emails, notifications)",
        "Row Level Security (RLS) est configuré si nécessaire",
    ],
    "security": [
        "SSL/HTTPS est configuré et fonctionne",
        "Les certificats SSL sont valides et renouvelables automatiquement",
        "Le firewall autorise uniquement les ports nécessaires (22, 80, 443)",
        "Les secrets ne sont jamais exposés dans le code ou les logs",
        "Les headers de sécurité sont configurés (HSTS, X-Frame-Options, etc.)",
    ],
    "performance": [
        "Les assets statiques sont servis avec cache long (1 an)",
        "Gzip/Brotli est activé pour la compression",
        "Les images sont optimisées",
        "Le build de production est optimisé (minification, tree-shaking)",
    ],
    "monitoring": [
        "Les logs sont configurés et rotationnés",
        "Un système de monitoring est en place (PM2, Netdata, etc.)",
        "Les alertes sont configurées pour les erreurs critiques",
        "Les backups de la base de données sont automatisés",
    ],
    "tests": [
        "Tous les tests unitaires passent (`pnpm test`)",
        "L'application démarre sans erreur",
        "Les fonctionnalités principales ont été testées manuellement",
        "Les emails de test sont reçus correctement",
        "L'authentification fonctionne",
        "Les uploads de fichiers fonctionnent",
    ],
    "documentation": [
        "Le README.md est à jour",
        "La documentation dans /docs est complète",
        "Les variables d'environnement sont documentées",
        "Les procédures de rollback sont documentées",
    ],
}


def test_the_boxes_are_those_of_the_guide_in_its_order() -> None:
    assert {group.value: [box.french for box in BOXES if box.group is group] for group in Group} == GUIDE
    assert list(GUIDE) == [group.value for group in Group]
    assert len(BOXES) == 32


@pytest.mark.parametrize("french", [box for boxes in GUIDE.values() for box in boxes])
def test_every_box_has_a_check_below_its_heading(french: str) -> None:
    found = [check for check in checks() if check.box and check.box.french == french]
    assert found
    assert all(french in GUIDE[check.group.value] for check in found)


def test_every_check_has_an_id_and_a_title_of_its_own() -> None:
    found = checks()
    assert len({check.id for check in found}) == len({check.title for check in found}) == len(found)
    assert all(check.id.startswith(f"{check.group.value}.") and check.title for check in found)


def test_without_names_all_are_chosen_but_the_slow_ones() -> None:
    slow = {check.id for check in chosen([], slow=True)} - {check.id for check in chosen([], slow=False)}
    assert slow == {"tests.unit-tests"}


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["database.rights"], ["database.rights"]),
        (["tests.unit-tests"], ["tests.unit-tests"]),
        (["database.rights", "configuration.node-env"], ["configuration.node-env", "database.rights"]),
        (["documentation"], [check.id for check in checks() if check.group is Group.DOCUMENTATION]),
    ],
    ids=["one", "a slow one", "two, in the guide's order", "a heading"],
)
def test_checks_are_chosen_by_id_or_heading(names: list[str], ids: list[str]) -> None:
    assert [check.id for check in chosen(names, slow=False)] == ids


def test_an_unknown_name_is_a_mistake_that_lists_the_known_ones() -> None:
    with pytest.raises(CommandError, match=r"nonsense is no check and no heading \(there are: configuration, ") as told:
        chosen(["nonsense"], slow=False)
    assert told.value.code == MISTAKE
