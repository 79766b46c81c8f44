"""What the look for known vulnerabilities makes of the database's answer."""

from __future__ import annotations

import json

from dev.audit import report

SOUND = {"name": "httpx", "version": "0.28.1", "vulns": []}
FAULTY = {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["0.16"], "aliases": []}]}
PASSED_OVER = {"name": "yarl", "skip_reason": "not found"}


def test_a_known_vulnerability_is_named_with_its_mend() -> None:
    faults, looked_up = report(json.dumps({"dependencies": [SOUND, FAULTY]}))
    assert faults == ["h11 0.1: PYSEC-1, fixed in 0.16"]
    assert looked_up == 2


def test_a_package_that_the_database_passed_over_is_a_fault_where_others_were_found() -> None:
    assert report(json.dumps({"dependencies": [SOUND, PASSED_OVER]})) == (["yarl: not looked up"], 1)


def test_where_no_database_answers_nothing_was_looked_up() -> None:
    assert report("")[1] == 0
    assert report(json.dumps({"dependencies": [PASSED_OVER]}))[1] == 0
