"""What to do when Python packages could not be installed: the exact repair for each way pip fails."""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from collections.abc import Sequence

from slicer.i18n import tr as _

from cardiactwins.compute.packages import PackageProblem
from cardiactwins.panel.launcher import python_executable

__all__ = ["broken_repair", "failure_kind", "permission_repair", "repair"]

SIGNS = {
    "proxy": r"ProxyError|Cannot connect to proxy|Tunnel connection failed|407 Proxy",
    "certificate": r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|SSLError",
    "offline": (
        r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|getaddrinfo failed|"
        r"Name or service not known|name resolution|nodename nor servname|Network is unreachable|"
        r"Connection (?:refused|reset|aborted)|No route to host|Max retries exceeded"
    ),
    "long path": r"Windows Long Path support|\[WinError 206\]",
    "disk full": r"No space left on device|\[Errno 28\]|\[WinError 112\]|Disk quota exceeded",
    "in use": r"\[WinError 32\]|being used by another process",
    "permission": (
        r"Permission denied|Access is denied|Read-only file system|\[Errno 13\]|\[WinError 5\]|"
        r"Defaulting to user installation|externally-managed-environment"
    ),
    "conflict": r"ResolutionImpossible|conflicting dependencies|Cannot install .* because these package",
    "no version": r"No matching distribution found|Could not find a version that satisfies",
}
"""Kind of failure -> what pip then prints, tried in this order: offline, pip also finds no version."""


def failure_kind(output: str) -> str:
    """The kind of failure, a key of `SIGNS`, that pip's output tells of; 'unknown' if none."""
    return next((kind for kind, sign in SIGNS.items() if re.search(sign, output)), "unknown")


def repair(output: str, requirements: Sequence[str], folder: str) -> str:
    """What went wrong and what to do, from the output of a pip that failed.

    requirements: what it should have installed. folder: where to.
    """
    kind = failure_kind(output)
    again = _("Then press Install again.")
    if kind == "proxy":
        text = _(
            "The proxy of your network did not let 3D Slicer download the packages. Ask your IT department "
            "for its address. {console}, with the real name, password, address and port:\n\n"
            'import os; os.environ["HTTPS_PROXY"] = "http://NAME:PASSWORD@ADDRESS:PORT"\n\n{again}'
        )
    elif kind == "certificate":
        text = _(
            "Your network inspects encrypted connections, and 3D Slicer does not know its certificate. Ask "
            "your IT department for the certificate as a .pem file. {console}, with the real path:\n\n"
            'import os; os.environ["PIP_CERT"] = r"/PATH/TO/certificate.pem"\n\n{again}'
        )
    elif kind == "offline":
        text = _(
            "The package index (pypi.org, files.pythonhosted.org) cannot be reached: this computer is not "
            "connected, or a firewall is in the way. Connect it, and press Install again.\n\nIf it has no "
            "internet: on a computer that has, with any Python, enter in a terminal\n\n{download}\n\n"
            "and bring the folder cardiactwins-packages here. {console}, with the real path:\n\n{install}"
        )
    elif kind == "long path":
        text = _(
            "The paths of some files are longer than Windows allows. Install 3D Slicer in a short folder "
            "such as C:\\Slicer, or let your IT department switch on 'Enable Win32 long paths'. {again}"
        )
    elif kind == "disk full":
        text = _(
            "The disk is full. Free at least 1 GB on the disk that holds {folder} and on the one for "
            "temporary files. {again}"
        )
    elif kind == "in use":
        text = _(
            "Another program uses a file that has to be replaced. Close all windows of 3D Slicer, start it "
            "once, and press Install before you do anything else."
        )
    elif kind == "permission":
        return permission_repair(requirements, folder)
    elif kind == "conflict":
        text = _(
            "The packages do not fit to those that come with this 3D Slicer, which are never replaced. "
            "Install the newest stable version of 3D Slicer, and there the extension."
        )
    elif kind == "no version":
        text = _(
            "There is no ready-made package for this 3D Slicer (Python {python} on {system}). "
            "Install the newest stable version of 3D Slicer, and there the extension."
        )
    else:
        text = _(
            "The installation failed for a reason that is not known; the details hold what pip said. Restart "
            "3D Slicer and press Install again. If it fails again: {console}:\n\n{pip}\n\n"
            "and send the details to those who look after your computer, or report them as an issue."
        )
    return text.format(
        console=_console(),
        again=again,
        folder=folder,
        python=platform.python_version(),
        system=sysconfig.get_platform(),
        download=_download_command(requirements),
        install=_pip_call(["--no-index", "--find-links", "/PATH/TO/cardiactwins-packages", *requirements]),
        pip=_pip_call(requirements),
    )


def permission_repair(requirements: Sequence[str], folder: str) -> str:
    """What to do when the account may not write to the folder of the application's packages."""
    python = python_executable() or sys.executable
    text = _(
        "Your account may not write to {folder}, where the Python packages of 3D Slicer lie. Install "
        "3D Slicer in a folder of your own, or let an administrator enter once in a terminal:\n\n{command}"
    )
    quoted = " ".join(f'"{requirement}"' for requirement in requirements)
    return text.format(folder=folder, command=f'"{python}" -m pip install {quoted}')


def broken_repair(problems: Sequence[PackageProblem]) -> str:
    """What to do with packages that are installed but cannot be loaded, even after a new installation."""
    lines = [f"- {problem.name}: {problem.detail}" for problem in problems]
    calls = [f"slicer.util.pip_uninstall({problem.name!r})" for problem in problems]
    calls.append(_pip_call(["--no-cache-dir", *(problem.requirement for problem in problems)]))
    text = _(
        "These packages are installed, but cannot be loaded:\n\n{packages}\n\n"
        "{console}:\n\n{calls}\n\nand restart 3D Slicer."
    )
    return text.format(packages="\n".join(lines), console=_console(), calls="\n".join(calls))


def _console() -> str:
    return _("Open the Python console of 3D Slicer (menu View, Python Console) and enter")


def _pip_call(arguments: Sequence[str]) -> str:
    return f"slicer.util.pip_install({list(arguments)!r})"


def _download_command(requirements: Sequence[str]) -> str:
    """pip's command that fetches the packages for this computer on another one."""
    tags = " ".join(f"--platform {tag}" for tag in _platform_tags())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    quoted = " ".join(f'"{requirement}"' for requirement in requirements)
    return (
        "python -m pip download --dest cardiactwins-packages --only-binary=:all: "
        f"--python-version {version} {tags} {quoted}"
    )


def _platform_tags() -> list[str]:
    """What package files for this computer are called."""
    name = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    if name.startswith("linux_"):
        machine = name.removeprefix("linux_")
        return [f"manylinux_2_28_{machine}", f"manylinux_2_17_{machine}", f"manylinux2014_{machine}"]
    return [name]
