"""The verb that looks at the installation: ``vramwise doctor``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ..catalog.words import words
from .json_answers import add_lang, say_object
from .terminal import say


def add_verbs(verbs: Any) -> None:
    """Add ``doctor`` to the parser's verbs."""
    doctor = verbs.add_parser("doctor", help="whether this installation is as it should be, and what helps")
    add_lang(doctor)
    doctor.add_argument("--json", action="store_true", help="print everything as JSON")
    doctor.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    """0 where nothing is broken, else 1."""
    from .. import __version__
    from ..doctor.checks import examine

    spoken = words(arguments.lang)
    checks = examine(arguments.lang, __version__)
    wrong = [check for check in checks if check.severity != "ok"]
    broken = any(check.severity == "problem" for check in checks)
    if arguments.json:
        say_object({"well": not broken, "checks": [asdict(check) for check in checks]})
        return int(broken)
    say(spoken["doctor_head"])
    say(f"\n{spoken['doctor_wrong' if wrong else 'doctor_clean']}")
    for check in wrong:
        severity = spoken[f"check_{check.severity}"]
        say(f"- {severity}, {check.subject}: {check.text} {check.remedy}".rstrip())
    say(f"\n{spoken['doctor_facts']}")
    for check in checks:
        if check.severity == "ok":
            say(f"- {check.subject}: {check.text}")
    return int(broken)
