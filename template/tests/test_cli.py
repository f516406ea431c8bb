"""The commands as an operator meets them: what they print, and the exit code."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from app.core import about
from tests.databases import STANDING
from tests.migrating import head_of_your_branch, write_revision
from tests.shell import Shell, rows

pytestmark = pytest.mark.thorough

COMMANDS = ("dev", "api", "bootstrap", "migrate", "migration", "tenants", "superuser", "seed")


def test_help_lists_every_command(shell: Shell) -> None:
    outcome = shell.run("--help")

    assert outcome.code == 0
    for command in COMMANDS:
        assert command in outcome.out
    assert about.DESCRIPTION in " ".join(outcome.out.split())


def test_an_unknown_command_is_refused(shell: Shell) -> None:
    outcome = shell.run("mirgate")

    assert outcome.code == 2
    assert "mirgate" in outcome.err


@pytest.mark.parametrize("command", [("api",), ("migrate",), ("seed",), ("tenants", "list")])
def test_each_missing_setting_gets_a_sentence(shell: Shell, command: tuple[str, ...]) -> None:
    outcome = shell.run(*command, AUTH__KEYS=None, MAIL__SENDER="nobody")

    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert any(line.startswith("AUTH__KEYS is not set") for line in lines)
    assert any(line.startswith("MAIL__SENDER: ") for line in lines)
    assert "Traceback" not in outcome.err


def test_more_workers_than_postgresql_has_connections_for_are_refused(shell: Shell) -> None:
    ((limit,),) = rows(
        shell.settings,
        "SELECT max(setting::int) - sum(setting::int) + max(setting::int) FROM pg_settings WHERE"
        " name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')",
    )
    pool = {"DATABASE__POOL_SIZE": str(limit // 2), "DATABASE__MAX_OVERFLOW": "1"}

    outcome = shell.run("api", "--workers", "2", **pool)

    assert outcome.code == 1
    assert f"lets in {limit} " in outcome.err
    assert outcome.err.startswith(f"2 workers may open {limit // 2 + 2} connections each (DATABASE")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("command", ["migrate", "seed"])
def test_the_ddl_role_is_asked_for_where_it_is_needed(shell: Shell, command: str) -> None:
    outcome = shell.run(command, DATABASE__OWNER_URL=None)

    assert outcome.code == 2
    assert outcome.err.startswith("DATABASE__OWNER_URL is not set")


@pytest.mark.parametrize("command", [("api",), ("migrate",), ("tenants", "list")])
def test_a_database_that_is_down_gets_a_sentence(shell: Shell, command: tuple[str, ...]) -> None:
    nowhere = "postgresql://x:x@127.0.0.1:1/x"

    outcome = shell.run(*command, DATABASE__URL=nowhere, DATABASE__OWNER_URL=nowhere)

    assert outcome.code == 1
    assert outcome.err.startswith("PostgreSQL does not answer (")
    assert outcome.err.count("\n") == 1


def test_a_wrong_password_of_the_database_gets_a_sentence(shell: Shell) -> None:
    url = shell.environment["DATABASE__URL"].replace("lobby-test@", "wrong@")

    outcome = shell.run("tenants", "list", DATABASE__URL=url)

    assert outcome.code == 1
    assert outcome.err.startswith("PostgreSQL refuses (InvalidPasswordError")


def test_a_url_says_whether_the_connection_is_encrypted(shell: Shell) -> None:
    url = make_url(shell.environment["DATABASE__URL"])

    def with_mode(mode: str) -> str:
        return url.update_query_dict({"sslmode": mode}).render_as_string(hide_password=False)

    assert shell.run("tenants", "list", DATABASE__URL=with_mode("disable")).code == 0
    # The server of the tests has no certificate.
    outcome = shell.run("tenants", "list", DATABASE__URL=with_mode("require"))
    assert outcome.code == 1
    assert outcome.err.startswith("PostgreSQL does not answer (")


def test_migrate_says_what_it_did(shell: Shell) -> None:
    outcome = shell.run("migrate")

    assert outcome.code == 0
    assert outcome.out.splitlines()[0] == "public: up to date"


def test_migrate_names_the_tenants_that_failed(shell: Shell) -> None:
    rows(shell.settings, "INSERT INTO tenant_acme.alembic_version VALUES ('of_a_later_release')")
    outcome, allowed = shell.run("migrate"), shell.run("migrate", "--allow-failed-tenants")
    rows(shell.settings, "DELETE FROM tenant_acme.alembic_version WHERE version_num LIKE 'of_%'")

    assert outcome.code == 1
    assert "acme: FAILED" in outcome.out
    assert outcome.err == "Not migrated: acme. Remove the cause and run this again.\n"
    assert (allowed.code, allowed.err) == (0, outcome.err)


def test_migrate_leaves_a_lobby_alone_that_other_code_has_migrated(shell: Shell) -> None:
    rows(shell.settings, "INSERT INTO public.alembic_version VALUES ('of_a_later_release')")
    outcome = shell.run("migrate")
    rows(shell.settings, "DELETE FROM public.alembic_version WHERE version_num LIKE 'of_%'")

    assert outcome.code == 1
    assert outcome.err.startswith("The database was migrated by other code than this: ")
    assert "'of_a_later_release'" in outcome.err


def test_migrate_asks_before_it_drops_in_development(shell: Shell, own_migrations: Path) -> None:
    before = head_of_your_branch()
    write_revision(own_migrations, 'op.execute("DELETE FROM projects WHERE false")')
    told = "  tenant: mine.py DELETE FROM projects WHERE false in 2 schemas"

    # Nobody is at the keyboard.
    asked = shell.run("migrate", ENVIRONMENT="dev")
    assert (asked.code, asked.out.splitlines()[1:]) == (3, [told])
    assert asked.err.startswith("Nothing was done")

    for arguments, environment in (((), "production"), (("--yes",), "dev")):
        outcome = shell.run("migrate", *arguments, ENVIRONMENT=environment)
        assert outcome.out.splitlines()[1] == told
        assert "tenants: 2 migrated, 0 up to date, 0 failed" in outcome.out
        for tenant in STANDING:
            rows(
                shell.settings,
                f"UPDATE tenant_{tenant}.alembic_version SET version_num = '{before}'"  # noqa: S608  a name of ours
                " WHERE version_num = 'mine'",
            )


@pytest.mark.usefixtures("own_migrations")
def test_migration_writes_nothing_without_a_reason(shell: Shell) -> None:
    outcome = shell.run("migration", "-m", "nothing", "--tree", "public")

    assert (outcome.code, outcome.out) == (1, "")
    assert "there is nothing to write" in outcome.err


def test_a_command_without_settings_points_to_those_of_make_dev(shell: Shell) -> None:
    outcome = shell.run("tenants", "list", ENVIRONMENT=None, AUTH__KEYS=None)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("On this machine, start `make dev`:")
    deployed = shell.run("tenants", "list", ENVIRONMENT="production", AUTH__KEYS=None)
    assert deployed.code == 2
    assert "make dev" not in deployed.err


def test_a_stored_name_does_not_steer_the_terminal(shell: Shell) -> None:
    shell.add_user("hostile@example.test")
    shell.run("tenants", "create", "hostile", "--owner", "hostile@example.test")
    rows(
        shell.settings,
        r"UPDATE public.tenants SET name = E'a\x1b]0;pwned\x07\n\u202eb é' WHERE slug = 'hostile'",
    )
    [line] = [x for x in shell.run("tenants", "list").out.split("\n") if "pwned" in x]
    assert line.startswith("hostile ")
    assert line.endswith(r" a\x1b]0;pwned\x07\n\u202eb é")


def test_the_life_of_a_tenant(shell: Shell) -> None:
    shell.add_user("founder@example.test")
    created = shell.run("tenants", "create", "initech", "--owner", "founder@example.test")
    assert (created.code, created.out) == (0, "initech is being provisioned.\n")
    # What is done in the background.
    rows(shell.settings, "UPDATE public.tenants SET status = 'ready' WHERE slug = 'initech'")

    assert shell.run("tenants", "suspend", "initech").out == "initech is suspended.\n"
    again = shell.run("tenants", "suspend", "initech")
    assert (again.code, again.err) == (
        1,
        "The tenant is suspended; this is for one that is ready.\n",
    )
    assert shell.run("tenants", "resume", "initech").out == "initech is ready.\n"
    mistyped = shell.run("tenants", "delete", "initech", stdin="intech\n")
    assert (mistyped.code, mistyped.err) == (
        1,
        "That is not its slug: nothing was deleted.\n",
    )
    deleted = shell.run("tenants", "delete", "initech", stdin="initech\n")
    assert "initech is deleting; it can be restored until" in deleted.out
    assert "deleting" in shell.run("tenants", "list", "--status", "deleting").out
    assert shell.run("tenants", "restore", "initech").out == "initech is ready.\n"

    audit = rows(
        shell.settings,
        "SELECT action, user_id FROM public.audit_logs WHERE entity_type = 'tenant'"
        " AND tenant_id = (SELECT id FROM public.tenants WHERE slug = 'initech') ORDER BY id",
    )
    assert audit == [
        ("tenant.created", None),
        ("tenant.suspended", None),
        ("tenant.resumed", None),
        ("tenant.deletion_requested", None),
        ("tenant.restored", None),
    ]


def test_whoever_registered_an_address_first_gets_no_tenant(shell: Shell) -> None:
    shell.add_user("ceo@example.test", verified=False)

    outcome = shell.run("tenants", "create", "takeover", "--owner", "CEO@example.test")

    assert outcome.code == 1
    assert outcome.err.startswith("The account with the address ceo@example.test is not verified:")
    assert rows(shell.settings, "SELECT 1 FROM public.tenants WHERE slug = 'takeover'") == []


def test_a_failed_tenant_is_retried(shell: Shell) -> None:
    shell.add_user("unlucky@example.test")
    shell.run("tenants", "create", "unlucky", "--owner", "unlucky@example.test")
    rows(
        shell.settings,
        "UPDATE public.workflow_executions SET status = 'failed', finished_at = now()"
        " WHERE kind = 'provision_tenant'",
    )
    rows(shell.settings, "UPDATE public.tenants SET status = 'failed' WHERE slug = 'unlucky'")

    assert shell.run("tenants", "retry", "unlucky").out == "unlucky is provisioning.\n"

    waiting = rows(
        shell.settings,
        "SELECT status FROM public.workflow_executions WHERE tenant_id ="
        " (SELECT id FROM public.tenants WHERE slug = 'unlucky') ORDER BY id",
    )
    assert waiting == [("failed",), ("pending",)]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("create", "no-owner", "--owner", "stranger@example.test"), 1, "Nobody has an account"),
        (("create", "Bad Slug", "--owner", "a@example.test"), 2, "slug"),
        (("create", "fine", "--owner", "nonsense"), 2, "owner"),
        (("suspend", "nobody"), 1, "There is no tenant nobody."),
        (("delete", "nobody"), 1, "There is no tenant nobody."),
        (("list", "--status", "asleep"), 2, "asleep"),
    ],
)
def test_what_an_operator_mistypes(
    shell: Shell, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    outcome = shell.run("tenants", *arguments)

    assert outcome.code == code
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err


def test_the_samples_are_refused_in_production(shell: Shell) -> None:
    outcome = shell.run("seed", ENVIRONMENT="production")

    assert outcome.code == 1
    assert "ENVIRONMENT=production" in outcome.err


def test_seed_names_the_accounts(shell: Shell) -> None:
    outcome = shell.run("seed")

    assert outcome.code == 0, outcome.err
    assert "owner@acme.test, member@acme.test" in outcome.out
