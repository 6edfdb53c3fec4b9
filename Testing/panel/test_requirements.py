"""Packages that a module needs: found missing, installed with consent, and what is said when that fails.

pip is a stand-in that prints what the real one prints and installs small packages of ours; nothing is
downloaded.
"""

import json
import sys

import pytest

PIP = """
import json, os, sys, time
from pathlib import Path
here = Path(os.environ["CARDIACTWINS_FAKE_PIP"])
calls = here / "calls.json"
known = json.loads(calls.read_text()) if calls.exists() else []
constraints = Path(sys.argv[sys.argv.index("-c") + 1]).read_text()
calls.write_text(json.dumps([*known, {"arguments": sys.argv[1:], "constraints": constraints}]))
scenario = json.loads((here / "scenario.json").read_text())
print("Collecting ctfake-alpha>=1.0", flush=True)
if scenario.get("hang"):
    time.sleep(60)
sys.path.insert(0, str(here))
from fake_site import install
for name, version, source in scenario.get("installs", []):
    install(here / "site", name, version, source)
print(scenario.get("output", ""), flush=True)
sys.exit(scenario.get("code", 0))
"""

SITE = '''
from pathlib import Path

def install(site, name, version, source=""):
    """A package with the metadata that pip leaves."""
    package = site / name.replace("-", "_")
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    for old in site.glob(f"{name.replace('-', '_')}-*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    package.mkdir(parents=True, exist_ok=True)
    info.mkdir()
    (package / "__init__.py").write_text(source)
    (package / "part.py").write_text("")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    files = [f"{package.name}/__init__.py", f"{package.name}/part.py", f"{info.name}/METADATA"]
    (info / "RECORD").write_text("".join(f"{file},,\\n" for file in files))
'''

PROXY = """WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after
connection broken by 'ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 403'))'
ERROR: Could not find a version that satisfies the requirement ctfake-alpha>=1.0 (from versions: none)
ERROR: No matching distribution found for ctfake-alpha>=1.0"""
OFFLINE = """WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after
connection broken by 'NewConnectionError('<HTTPSConnection object>: Failed to establish a connection:
[Errno -3] Temporary failure in name resolution')': /simple/ctfake-alpha/
ERROR: Could not find a version that satisfies the requirement ctfake-alpha>=1.0 (from versions: none)
ERROR: No matching distribution found for ctfake-alpha>=1.0"""
CERTIFICATE = """WARNING: Retrying after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL:
CERTIFICATE_VERIFY_FAILED] certificate verify failed: self signed certificate in certificate chain'))'
ERROR: No matching distribution found for ctfake-alpha>=1.0"""
PERMISSION = """ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/opt/x'
Consider using the `--user` option or check the permissions."""
USER = "Defaulting to user installation because normal site-packages is not writeable"
DISK = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
IN_USE = "ERROR: [WinError 32] The process cannot access the file because it is being used by another process"
LONG = (
    "HINT: This error might have occurred since this system does not have Windows Long Path support enabled."
)
CONFLICT = (
    "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution"
)
NO_VERSION = "ERROR: No matching distribution found for ctfake-alpha>=1.0"


class Site:
    """A folder of installed packages, and a pip that does what it is told."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "requirements_Test.txt"
        self.file.write_text("# what the module needs\nctfake-alpha>=1.0\n\nctfake-beta  # as well\n")
        (folder / "site").mkdir()
        (folder / "pip").mkdir()
        (folder / "pip" / "__init__.py").write_text("")
        (folder / "pip" / "__main__.py").write_text(PIP)
        (folder / "fake_site.py").write_text(SITE)
        self.pip()

    def install(self, name, version, source=""):
        functions = {}
        exec(SITE, functions)
        functions["install"](self.folder / "site", name, version, source)

    def pip(self, **scenario):
        """What pip will do: installs [(name, version, source)], output, code, hang."""
        (self.folder / "scenario.json").write_text(json.dumps(scenario))

    @property
    def calls(self):
        calls = self.folder / "calls.json"
        return json.loads(calls.read_text()) if calls.exists() else []


@pytest.fixture
def site(tmp_path, monkeypatch, host):
    from cardiactwins.panel import requirements

    site = Site(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CARDIACTWINS_FAKE_PIP", str(tmp_path))
    monkeypatch.setattr(requirements.sysconfig, "get_path", lambda name: str(tmp_path / "site"))
    monkeypatch.setattr(requirements, "_met", set())
    return site


@pytest.fixture
def ensure(site):
    from cardiactwins.panel.requirements import ensure_requirements

    return lambda: ensure_requirements(site.file, "InfarctSynth")


@pytest.fixture
def missing(site):
    from cardiactwins.panel.requirements import missing_requirements

    return lambda: {problem.name: problem for problem in missing_requirements(site.file)}


BOTH = [("ctfake-alpha", "1.2", ""), ("ctfake-beta", "0.1", "")]


def test_packages_that_are_not_there_are_found_missing(missing):
    found = missing()
    assert {name: problem.kind for name, problem in found.items()} == {
        "ctfake-alpha": "absent",
        "ctfake-beta": "absent",
    }
    assert found["ctfake-alpha"].requirement == "ctfake-alpha>=1.0"


def test_packages_that_are_there_and_import_are_not_missing(site, missing):
    for package in BOTH:
        site.install(*package)
    assert missing() == {}
    assert "ctfake_alpha" not in sys.modules


def test_an_old_package_is_found_with_its_version(site, missing):
    site.install("ctfake-alpha", "0.9")
    site.install("ctfake-beta", "0.1")
    (problem,) = missing().values()
    assert (problem.name, problem.kind, problem.detail) == ("ctfake-alpha", "outdated", "0.9")


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("import ctfake_absent", "ModuleNotFoundError: No module named 'ctfake_absent'"),
        ("raise OSError('DLL load failed')", "OSError: DLL load failed"),
        ("import os; os._exit(11)", "Python itself ended when it was imported (exit code 11)"),
    ],
)
def test_a_half_installed_package_is_found_by_its_import(site, missing, source, detail):
    site.install("ctfake-alpha", "1.2")
    site.install("ctfake-beta", "0.1", source)
    (problem,) = missing().values()
    assert (problem.name, problem.kind, problem.detail) == ("ctfake-beta", "broken", detail)


def test_a_package_of_which_files_are_missing_is_broken_though_it_imports(site, missing):
    for package in BOTH:
        site.install(*package)
    (site.folder / "site" / "ctfake_beta" / "part.py").unlink()
    (problem,) = missing().values()
    assert (problem.name, problem.kind) == ("ctfake-beta", "broken")
    assert problem.detail == "files are missing: ctfake_beta/part.py"


def test_a_requirement_for_other_systems_is_none_here(site, missing):
    site.file.write_text('ctfake-alpha>=1.0; sys_platform == "somewhere"\n--index-url https://x\n')
    assert missing() == {}


def test_nothing_is_asked_or_installed_when_nothing_is_missing_and_the_next_look_is_free(
    site, ensure, host, monkeypatch
):
    for package in BOTH:
        site.install(*package)
    assert ensure()
    monkeypatch.setattr("cardiactwins.panel.requirements.run_program", None)
    assert ensure()
    assert (host.dialogs.said, site.calls) == ([], [])


def test_what_is_missing_is_installed_after_a_yes(site, ensure, host):
    site.pip(installs=BOTH, output="Successfully installed ctfake-alpha-1.2 ctfake-beta-0.1")
    assert ensure()
    (said,) = host.dialogs.said
    assert said.kind == "confirm" and said.title == "InfarctSynth"
    for part in (
        "ctfake-alpha>=1.0 (not installed)",
        "ctfake-beta (not installed)",
        "pypi.org",
        "about a minute",
        "Cancel changes nothing",
        "Setup and diagnostics",
    ):
        assert part in said.text
    (call,) = site.calls
    assert call["arguments"][0] == "install"
    assert call["arguments"][-2:] == ["ctfake-alpha>=1.0", "ctfake-beta"]
    assert "torch" not in " ".join(call["arguments"])


def test_what_the_application_brings_is_never_replaced(site, ensure):
    import numpy

    site.pip(installs=BOTH)
    assert ensure()
    assert f"numpy=={numpy.__version__}" in site.calls[0]["constraints"].splitlines()


def test_a_no_changes_nothing(site, ensure, host):
    before = sorted(path for path in site.folder.rglob("*") if "__pycache__" not in path.parts)
    host.dialogs.answer("confirm", False)
    assert not ensure()
    assert site.calls == []
    assert sorted(path for path in site.folder.rglob("*") if "__pycache__" not in path.parts) == before
    assert [said.kind for said in host.dialogs.said] == ["confirm"]


def test_nothing_is_asked_or_installed_in_testing_mode(site, ensure, host, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: True, raising=False)
    assert not ensure()
    assert (site.calls, host.dialogs.said) == ([], [])


def test_a_broken_package_is_replaced_without_its_dependencies_and_then_completed(site, ensure, host):
    site.install("ctfake-alpha", "1.2", "import ctfake_absent")
    site.pip(installs=BOTH)
    assert ensure()
    assert (
        "ctfake-alpha>=1.0 (installed, but damaged: ModuleNotFoundError" in host.dialogs.texts("confirm")[0]
    )
    first, second = (call["arguments"] for call in site.calls)
    assert {"--force-reinstall", "--no-deps"} <= set(first)
    assert "ctfake-alpha>=1.0" in first and "ctfake-beta" not in first
    assert "--force-reinstall" not in second
    assert second[-2:] == ["ctfake-alpha>=1.0", "ctfake-beta"]


def test_a_package_that_stays_broken_is_told_with_the_calls_that_repair_it(site, ensure, host):
    site.pip(installs=[("ctfake-alpha", "1.2", "raise OSError('DLL load failed')"), BOTH[1]])
    assert not ensure()
    (error,) = [said for said in host.dialogs.said if said.kind == "error"]
    assert "- ctfake-alpha: OSError: DLL load failed" in error.text
    assert "slicer.util.pip_uninstall('ctfake-alpha')" in error.text
    assert "slicer.util.pip_install(['--no-cache-dir', 'ctfake-alpha>=1.0'])" in error.text
    assert "restart 3D Slicer" in error.text


def test_a_package_that_was_loaded_before_asks_for_a_restart(site, ensure, host, monkeypatch):
    site.install("ctfake-alpha", "0.9")
    monkeypatch.setitem(sys.modules, "ctfake_alpha", object())
    site.pip(installs=BOTH)
    assert ensure()
    assert host.dialogs.texts("info") == [
        "ctfake-alpha had been loaded before. Restart 3D Slicer before you go on."
    ]


@pytest.mark.parametrize(
    ("output", "kind", "repair"),
    [
        (PROXY, "proxy", 'os.environ["HTTPS_PROXY"] = "http://NAME:PASSWORD@ADDRESS:PORT"'),
        (CERTIFICATE, "certificate", 'os.environ["PIP_CERT"] = r"/PATH/TO/certificate.pem"'),
        (OFFLINE, "offline", "python -m pip download --dest cardiactwins-packages --only-binary=:all:"),
        (PERMISSION, "permission", '-m pip install "ctfake-alpha>=1.0" "ctfake-beta"'),
        (USER, "permission", "let an administrator enter once in a terminal"),
        (DISK, "disk full", "Free at least 1 GB"),
        (IN_USE, "in use", "Close all windows of 3D Slicer"),
        (LONG, "long path", "Enable Win32 long paths"),
        (CONFLICT, "conflict", "Install the newest stable version of 3D Slicer"),
        (NO_VERSION, "no version", "Install the newest stable version of 3D Slicer"),
        ("something new", "unknown", "slicer.util.pip_install(['ctfake-alpha>=1.0', 'ctfake-beta'])"),
    ],
)
def test_each_way_in_which_pip_fails_is_told_with_its_repair(site, ensure, host, output, kind, repair):
    from cardiactwins.panel.install_repair import failure_kind

    site.pip(output=output, code=1)
    assert not ensure()
    (error,) = [said for said in host.dialogs.said if said.kind == "error"]
    assert failure_kind(output) == kind
    assert repair in error.text
    assert "{" not in error.text
    assert error.details.startswith(error.text) and output in error.details
    site.pip(installs=BOTH)
    assert ensure()


def test_a_computer_without_internet_gets_the_commands_for_its_own_python_and_system(site, ensure, host):
    site.pip(output=OFFLINE, code=1)
    assert not ensure()
    (text,) = host.dialogs.texts("error")
    assert f"--python-version {sys.version_info.major}.{sys.version_info.minor} --platform " in text
    assert '"ctfake-alpha>=1.0" "ctfake-beta"' in text
    assert "'--no-index', '--find-links', '/PATH/TO/cardiactwins-packages', 'ctfake-alpha>=1.0'" in text


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_asked(site, ensure, host, monkeypatch):
    from cardiactwins.panel import requirements

    monkeypatch.setattr(requirements.sysconfig, "get_path", lambda name: str(site.folder / "not there"))
    assert not ensure()
    (said,) = host.dialogs.said
    assert said.kind == "error" and "not there" in said.text
    assert '-m pip install "ctfake-alpha>=1.0" "ctfake-beta"' in said.text
    assert site.calls == []


def test_an_installation_of_the_application_is_waited_for(site, ensure, host, monkeypatch):
    import types

    packaging = types.ModuleType("slicer.packaging")
    packaging.isPipInstallInProgress = lambda: True
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    assert not ensure()
    assert "Wait until it has finished" in host.dialogs.texts("error")[0]
    assert site.calls == []


def cancel_when_shown(host, text):
    """Press Cancel in the progress dialog as soon as it shows the text."""
    import qt

    def look():
        for dialog in qt.QApplication.topLevelWidgets():
            if isinstance(dialog, qt.QProgressDialog) and text in dialog.labelText:
                dialog.cancel()
                timer.stop()

    timer = qt.QTimer()
    timer.setInterval(20)
    timer.connect("timeout()", look)
    timer.start()
    return timer


def test_an_installation_can_be_cancelled(site, ensure, host):
    site.pip(hang=True)
    timer = cancel_when_shown(host, "Collecting ctfake-alpha")
    assert not ensure()
    assert not timer.active
    assert [said.kind for said in host.dialogs.said] == ["confirm"]
    site.pip(installs=BOTH)
    assert ensure()


def test_a_check_can_be_cancelled(site, ensure, host):
    site.install("ctfake-alpha", "1.2", "import time; time.sleep(60)")
    timer = cancel_when_shown(host, "Checking")
    assert not ensure()
    assert not timer.active
    assert (host.dialogs.said, site.calls) == ([], [])


def test_a_check_that_cannot_be_made_says_so(site, ensure, host, monkeypatch):
    (site.folder / "cardiactwins").mkdir()
    (site.folder / "cardiactwins" / "__init__.py").write_text("raise ImportError('no library')")
    assert not ensure()
    (said,) = host.dialogs.said
    assert said.kind == "error" and "could not be checked" in said.text and "no library" in said.text
