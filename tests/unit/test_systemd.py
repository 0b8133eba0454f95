"""What the calls to systemd promise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from ansible_collections.wsgi.production.plugins.module_utils import systemd as unit
from ansible_collections.wsgi.production.plugins.module_utils.command import Failed
from ansible_collections.wsgi.production.plugins.module_utils.systemd import Systemd

SOCKET, SERVICE, TIMER = "hello@aaa111.socket", "hello@aaa111.service", "hello@aaa111-nightly.timer"


class Host:
    """A host whose systemctl and journalctl say what `answers` has for the verb, or fail if that is an error."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers: dict[str, str | Failed] = {}

    def run(self, argv: list[str], purpose: str, seconds: float | None = None) -> str:
        """Take the place of `run`."""
        self.calls.append(" ".join(argv))
        answer = self.answers.get(argv[1], "")
        if isinstance(answer, Failed):
            raise answer
        return answer


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    fake = Host()
    monkeypatch.setattr(unit, "run", fake.run)
    return fake


@pytest.mark.parametrize(
    ("do", "calls"),
    [
        (lambda systemd: systemd.reload(), ["systemctl daemon-reload"]),
        (lambda systemd: systemd.start(SOCKET, SERVICE), [f"systemctl start {SOCKET} {SERVICE}"]),
        (
            lambda systemd: systemd.start(SOCKET, SERVICE, wait=False),
            [f"systemctl start --no-block {SOCKET} {SERVICE}"],
        ),
        (lambda systemd: systemd.stop(SOCKET, SERVICE), [f"systemctl stop {SOCKET} {SERVICE}"]),
        (
            lambda systemd: systemd.stop(SOCKET, SERVICE, wait=False),
            [f"systemctl stop --no-block {SOCKET} {SERVICE}"],
        ),
        (
            lambda systemd: systemd.clean(TIMER, "other.timer"),
            [f"systemctl clean --what=state {TIMER}", "systemctl clean --what=state other.timer"],
        ),
        (lambda systemd: systemd.clean(), []),
        (lambda systemd: systemd.enable(SOCKET, SERVICE), [f"systemctl enable --quiet {SOCKET} {SERVICE}"]),
        (lambda systemd: systemd.disable(SOCKET, SERVICE), [f"systemctl disable --quiet {SOCKET} {SERVICE}"]),
    ],
)
def test_each_call_runs_its_command_once(host: Host, do: Callable[[Systemd], None], calls: list[str]) -> None:
    do(Systemd())
    assert host.calls == calls


@pytest.mark.parametrize("verb", ["start", "stop", "enable", "disable"])
def test_a_refusal_by_systemd_is_a_failure(host: Host, verb: str) -> None:
    host.answers[verb] = Failed("Unit not loaded.")
    with pytest.raises(Failed):
        getattr(Systemd(), verb)(SOCKET, SERVICE)


def test_an_instance_is_killed_only_once_systemd_will_not_start_it_again(host: Host) -> None:
    Systemd().kill(SOCKET, SERVICE)
    assert host.calls == [
        f"systemctl stop --no-block {SOCKET} {SERVICE}",
        f"systemctl kill --signal=KILL {SOCKET}",
        f"systemctl kill --signal=KILL {SERVICE}",
        f"systemctl stop {SOCKET} {SERVICE}",
    ]


def test_a_unit_that_has_ended_need_not_be_killed(host: Host) -> None:
    host.answers["kill"] = Failed(f"Unit {SERVICE} not loaded.")
    Systemd().kill(SOCKET, SERVICE)
    assert host.calls[1:] == [
        f"systemctl kill --signal=KILL {SOCKET}",
        f"systemctl kill --signal=KILL {SERVICE}",
        f"systemctl stop {SOCKET} {SERVICE}",
    ]


def test_a_failed_stop_does_not_count_as_killed(host: Host) -> None:
    host.answers["stop"] = Failed("no")
    with pytest.raises(Failed):
        Systemd().kill(SOCKET, SERVICE)


def test_an_unknown_unit_need_not_be_cleared(host: Host) -> None:
    host.answers["reset-failed"] = Failed(f"Unit {SERVICE} not loaded.")
    Systemd().clear(SOCKET, SERVICE)
    assert host.calls == [f"systemctl reset-failed {SOCKET} {SERVICE}"]


def test_an_error_when_cleaning_a_timer_does_not_stop_the_next(host: Host) -> None:
    host.answers["clean"] = Failed("no")
    Systemd().clean(TIMER, "other.timer")
    assert len(host.calls) == 2


def test_properties_come_in_the_requested_order(host: Host) -> None:
    host.answers["show"] = "UnitFileState=enabled\nActiveState=active\nEnvironment=A=1 B=2\n"
    asked = ("ActiveState", "Environment", "UnitFileState", "Unknown")
    assert Systemd().properties(SERVICE, *asked) == ["active", "A=1 B=2", "enabled", ""]
    assert host.calls == [f"systemctl show --property {','.join(asked)} {SERVICE}"]


OTHER = "hello@bbb222.service"
SEEN = f"""\
Id={SERVICE}
ActiveState=active
UnitFileState=enabled

Id={OTHER}
ActiveState=deactivating
UnitFileState=
"""


def test_many_units_are_read_in_one_call(host: Host) -> None:
    host.answers["show"] = SEEN
    systemd = Systemd()
    systemd.look_at(SERVICE, OTHER)
    assert host.calls == [f"systemctl show --property Id,ActiveState,UnitFileState {SERVICE} {OTHER}"]
    assert (systemd.is_active(SERVICE), systemd.is_enabled(SERVICE)) == (True, True)
    assert systemd.properties(OTHER, "UnitFileState", "ActiveState") == ["", "deactivating"]
    assert len(host.calls) == 1


def test_without_units_nothing_is_asked(host: Host) -> None:
    Systemd().look_at()
    assert host.calls == []


@pytest.mark.parametrize(
    ("unit", "names"), [(SOCKET, ["ActiveState"]), (SERVICE, ["Result"]), (SERVICE, ["ActiveState", "Result"])]
)
def test_unread_properties_are_requested(host: Host, unit: str, names: list[str]) -> None:
    host.answers["show"] = SEEN
    systemd = Systemd()
    systemd.look_at(SERVICE, OTHER)
    host.answers["show"] = "".join(f"{name}=now\n" for name in names)
    assert systemd.properties(unit, *names) == ["now"] * len(names)


def test_a_second_look_replaces_the_first(host: Host) -> None:
    host.answers["show"] = SEEN
    systemd = Systemd()
    systemd.look_at(SERVICE, OTHER)
    host.answers["show"] = SEEN.replace("=active", "=failed")
    systemd.look_at(SERVICE, OTHER)
    assert not systemd.is_active(SERVICE)


@pytest.mark.parametrize("answer", ["", Failed("no")])
@pytest.mark.parametrize(
    "change",
    [
        lambda systemd: systemd.reload(),
        lambda systemd: systemd.start(OTHER),
        lambda systemd: systemd.start(OTHER, wait=False),
        lambda systemd: systemd.stop(OTHER),
        lambda systemd: systemd.clean(OTHER),
        lambda systemd: systemd.kill(OTHER),
        lambda systemd: systemd.clear(OTHER),
        lambda systemd: systemd.enable(OTHER),
        lambda systemd: systemd.disable(OTHER),
    ],
)
def test_any_change_discards_what_was_read_even_if_it_fails(
    host: Host, change: Callable[[Systemd], None], answer: str | Failed
) -> None:
    host.answers["show"] = SEEN
    systemd = Systemd()
    systemd.look_at(SERVICE, OTHER)
    host.answers.update(dict.fromkeys(["daemon-reload", "start", "stop", "kill", "clean", "enable", "disable"], answer))
    with suppress(Failed):
        change(systemd)
    host.answers["show"] = "ActiveState=failed\n"
    assert not systemd.is_active(SERVICE)


@pytest.mark.parametrize("state", ["active", "inactive", "activating", "deactivating", "failed", "reloading"])
def test_only_active_units_run(host: Host, state: str) -> None:
    host.answers["show"] = f"ActiveState={state}\n"
    assert Systemd().is_active(SERVICE) is (state == "active")


@pytest.mark.parametrize("state", ["enabled", "disabled", "", "enabled-runtime", "linked", "static"])
def test_only_permanently_enabled_units_start_at_each_boot(host: Host, state: str) -> None:
    host.answers["show"] = f"UnitFileState={state}\n"
    assert Systemd().is_enabled(SERVICE) is (state == "enabled")


def test_the_journal_is_read_after_a_sync(host: Host) -> None:
    host.answers["--unit"] = "\none\ntwo\n\n"
    assert Systemd().journal(SERVICE) == "one\ntwo"
    assert [call.split()[:3] for call in host.calls] == [["journalctl", "--sync"], ["journalctl", "--unit", SERVICE]]
