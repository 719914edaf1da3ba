# SPDX-License-Identifier: MPL-2.0
"""The README's "An hour with it", typed as it stands there: every command in order, and what each prints compared with what
the README shows.

The section's indented lines are commands (COMMAND tells how they begin; a backslash at the end goes on) and, behind each,
what it prints to both outputs, but for empty lines. "[...]" within a shown line stands for a word or a part of one, alone on
a line for any number of lines. Masked on both sides, and nothing else: points in time, the digests of bundles, and how full
a bucket is, with its bar (it fills while one reads). Only the port is replaced in a command; build/prefix and
packaging are links in a scratch folder."""

import os
import re
import subprocess
import time

import harness

README = os.path.join(harness.SOURCE, "README.md")
PORT = "127.0.0.1:8080"
COMMAND = re.compile(r"(build/prefix/|curl |sed )")
CUT = "[...]"
TOKEN_SECONDS = 1  # after which the rule per-key gives one back
TRIES = 10
MASKS = [
    # every point in time but those of the shipped log
    (re.compile(r"\b(?!2026-11-23T09:)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"(?<=TIME  )[0-9a-f]{12}\b"), "DIGEST"),
    (re.compile(r"^\[[#.]+\] +\d+\b"), "BAR"),
]


def read_steps():
    """[(command, lines it shows)] of the section."""
    with open(README, encoding="utf-8") as file:
        section = re.search(r"^## An hour with it$(.*?)^## ", file.read(), re.DOTALL | re.MULTILINE).group(1)
    steps, goes_on = [], False
    for line in section.splitlines():
        if not line.startswith("    "):
            continue
        text = line[4:]
        if goes_on:
            steps[-1][0] += "\n" + text
        elif COMMAND.match(text):
            steps.append([text, []])
        else:
            steps[-1][1].append(text)
        goes_on = (goes_on or bool(COMMAND.match(text))) and text.endswith("\\")
    return steps


def mask(line):
    for pattern, word in MASKS:
        line = pattern.sub(word, line)
    return line.rstrip()


def fits_line(shown, line):
    pattern = r"\S*".join(re.escape(part) for part in mask(shown).split(CUT))
    return re.fullmatch(pattern, mask(line)) is not None


def fits(shown, lines):
    """Whether SHOWN, in which CUT stands for any number of lines, describes all LINES."""
    if not shown:
        return not lines
    if shown[0] == CUT:
        return any(fits(shown[1:], lines[at:]) for at in range(len(lines) + 1))
    return bool(lines) and fits_line(shown[0], lines[0]) and fits(shown[1:], lines[1:])


class Newcomer(harness.Edge):
    """What packaging/quickstart starts: the demo policy, and settings that the command line tool finds without -c (here in the
    environment, for the prefix belongs to every test)."""

    def environment(self):
        return harness.clean_environment({f"FAIRVISOR_{name.upper()}": str(value)
                                          for name, value in self.settings.items() if value is not None})


class TestHour(harness.TestCase):
    def start_as_quickstart_does(self):
        with open(os.path.join(harness.SOURCE, "packaging", "examples", "quickstart.json"), encoding="utf-8") as file:
            edge = self.own(Newcomer(file.read(), settings={"redact": "none"})).start()
        os.mkdir(os.path.join(edge.directory, "build"))
        os.symlink(harness.PREFIX, os.path.join(edge.directory, "build", "prefix"))
        os.symlink(os.path.join(harness.SOURCE, "packaging"), os.path.join(edge.directory, "packaging"))
        return edge

    def test_every_step_prints_what_the_readme_shows(self):
        self.assertTrue(any(self.walk() for _ in range(TRIES)), "a second was never enough to spend what a second gives back")

    def walk(self):
        """False, without a verdict: the machine was so busy that a token came back while a step spent them."""
        edge = self.start_as_quickstart_does()
        for command, shown in read_steps():
            with self.subTest(command=command):
                began = time.monotonic()
                done = subprocess.run(command.replace(PORT, f"127.0.0.1:{edge.port}"), shell=True, cwd=edge.directory,
                                      env=edge.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, timeout=60)
                if command.startswith("curl ") and time.monotonic() - began >= TOKEN_SECONDS:
                    return False
                self.assertEqual(done.returncode, 0, done.stdout)
                lines = [line for line in done.stdout.splitlines() if line]
                self.assertTrue(fits(shown, lines), "the README shows\n" + "\n".join(shown) + "\nand this came:\n" + done.stdout)
        return True

    def test_no_step_of_the_hour_is_missing(self):
        text = "\n".join(command for command, _ in read_steps())
        places = [text.find(word) for word in (" init ", '"shadow"', " validate ", " test ", " connect --push ", " top ",
                                               '"enforce"/\' build', " kill header", " kill --remove ", " --rollback")]
        self.assertNotIn(-1, places)
        self.assertEqual(places, sorted(places))

    def test_what_differs_does_not_fit(self):
        """The comparison itself: what it must tell apart, and what it must not."""
        self.assertTrue(fits(["a", CUT, "d [...]/x"], ["a", "b", "c", "d /tmp/x"]))
        self.assertTrue(fits(["until 2026-11-24T22:54:33Z"], ["until 2031-01-01T00:00:00Z"]))
        for shown, lines in ((["a"], []), ([], ["a"]), (["a", "b"], ["b", "a"]), (["a [...] b"], ["a c d b"]),
                             (["first 2026-11-23T09:06:53Z"], ["first 2026-11-23T09:06:54Z"]), (["20 200"], ["21 200"]),
                             ([CUT, "d"], ["d", "e"]), (["[##]   99  1"], ["[##]   99  2"])):
            self.assertFalse(fits(shown, lines), (shown, lines))
