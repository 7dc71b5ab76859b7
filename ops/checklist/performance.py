"""Performance, with the numbers that the guide says to watch."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from typing import Any

from ops.checklist import guide
from ops.checklist.check import check
from ops.checklist.result import Result, failed, judged, not_applicable, passed
from ops.survey import Survey
from ops.usage import Usage
from ops.web import Answer

YEAR = 31_536_000  # seconds
SLOW_MS = 500
ERROR_RATE = 0.01
BUSY = 0.8
# Fewer requests say nothing about how many of them fail or are slow.
ENOUGH_REQUESTS = 100
_LARGEST_PICTURE = 500_000  # bytes
_WORTH_PACKING = 1000  # bytes, as nginx is told
_SMALL = 2000  # characters
_SHORTEST_LINES = 150  # characters, on average
_HASHED = re.compile(r"[-.](?=[\w-]*[0-9A-Z_])[\w-]{8}\.\w+$|[-.][0-9a-f]{16,64}\.\w+$")
_UNPACKED_KINDS = {"image/bmp", "image/x-ms-bmp", "image/tiff"}


def judge_cache(path: str, answer: Answer) -> str:
    """What is wrong with how long an asset may be kept; empty when nothing is."""
    told = answer.headers.get("cache-control", "")
    ages = [int(age) for age in re.findall(r"max-age=(\d+)", told)]
    if not ages or ages[0] < YEAR or "immutable" not in told:
        return f"{path} may be kept {told or 'for no time that is told'}"
    return ""


@check(guide.CACHE)
def asset_cache(survey: Survey) -> Result:
    hashed = [path for path in survey.page.assets if _HASHED.search(path)]
    if not hashed:
        return not_applicable("the page names no asset with a digest in its name")
    problems = [problem for path in hashed[:5] if (problem := judge_cache(path, survey.web.ask(path)))]
    return judged(problems, f"./monopco up -s {survey.stack} after pulumi refresh", f"{', '.join(hashed[:5])}")


@check(guide.CACHE, "The page itself is asked for again, so that a new release is seen")
def page_cache(survey: Survey) -> Result:
    told = survey.web.ask("/").headers.get("cache-control", "")
    if "no-cache" in told or "no-store" in told:
        return passed(f"Cache-Control: {told}")
    return failed(f"Cache-Control: {told or 'none'}", f"./monopco up -s {survey.stack} after pulumi refresh")


def judge_packed(encoding: str, plain: bytes, packed: Answer) -> str:
    """What is wrong with a compressed answer; empty when nothing is."""
    if packed.headers.get("content-encoding") != encoding:
        return f"{encoding} is asked for and not given"
    if len(packed.body) >= len(plain):
        return f"{encoding} makes it no smaller"
    if encoding == "gzip" and gzip.decompress(packed.body) != plain:
        return "gzip gives something else"
    return ""


@check(guide.COMPRESSION)
def compression(survey: Survey) -> Result:
    texts = survey.page.texts
    if not texts or len(max(texts.values(), key=len)) < _WORTH_PACKING:
        return not_applicable("the page names no text that is worth compressing")
    path = max(texts, key=lambda name: len(texts[name]))
    plain = survey.web.ask(path).body
    answers = {name: survey.web.ask(path, headers={"Accept-Encoding": name}) for name in ("gzip", "br")}
    problems = [problem for name, answer in answers.items() if (problem := judge_packed(name, plain, answer))]
    sizes = ", ".join(f"{name} {len(answer.body)}" for name, answer in answers.items())
    return judged(
        problems, f"./monopco up -s {survey.stack} after pulumi refresh", f"{path}: {len(plain)} bytes, {sizes}"
    )


def judge_picture(path: str, answer: Answer) -> str:
    """What is wrong with a picture; empty when nothing is."""
    if answer.status != 200 or answer.kind == "text/html":  # noqa: PLR2004
        return f"{path} is not there"
    if answer.kind in _UNPACKED_KINDS:
        return f"{path} is {answer.kind}"
    if len(answer.body) > _LARGEST_PICTURE:
        return f"{path} has {len(answer.body) // 1000} kB"
    return ""


@check(guide.PICTURES)
def pictures(survey: Survey) -> Result:
    named = survey.page.pictures
    if not named:
        return not_applicable("page, scripts and style sheets name no picture of the site")
    problems = [problem for path in named if (problem := judge_picture(path, survey.web.ask(path)))]
    return judged(
        problems,
        "give it as WebP or AVIF, and no larger than it is shown; at most 500 kB",
        f"{len(named)}, none above 500 kB",
    )


def is_minified(text: str) -> bool:
    """Whether it looks as a minifier leaves it: long lines; what is short is not worth the question."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(text) < _SMALL or len(text) / max(len(lines), 1) >= _SHORTEST_LINES


@check(guide.BUILD)
def minified(survey: Survey) -> Result:
    page = survey.page
    if not page.texts:
        return not_applicable("the page names no script or style sheet")
    problems = [f"{path} is not minified" for path, text in page.texts.items() if not is_minified(text)]
    problems += [
        f"{path} is a development build" for path, text in page.texts.items() if "react-dom.development" in text
    ]
    problems += [f"the page still holds %{name}%" for name in sorted(set(re.findall(r"%(VITE_\w+)%", page.html)))]
    return judged(
        problems,
        "have `pnpm build` minify; a value of the page: pulumi config set --path monopco:app.public.NAME",
        f"{len(page.texts)} files, {sum(len(text) for text in page.texts.values()) // 1000} kB",
    )


def judge_figures(figures: Mapping[str, Any]) -> Result:
    """The guide's limits: answers within 500 ms, fewer than 1 % of them errors."""
    total, errors, p95 = figures.get("total", 0), figures.get("errors_5xx", 0), figures.get("p95_ms") or 0
    if total < ENOUGH_REQUESTS:
        return not_applicable(f"{total} requests were answered by this release; {ENOUGH_REQUESTS} say something")
    problems = [f"{errors} of {total} answers are errors" for _ in [0] if errors / total > ERROR_RATE]
    problems += [f"95 of 100 answers take up to {p95:.0f} ms" for _ in [0] if p95 > SLOW_MS]
    return judged(problems, "./monopco doctor slow", f"{total} requests, {errors} errors, 95 % within {p95:.0f} ms")


@check(guide.Group.PERFORMANCE, "Answers within 500 ms, and fewer than 1 % errors")
def answers(survey: Survey) -> Result:
    return judge_figures((survey.proxy.state.get("requests") or {}).get(survey.live) or {})


def judge_load(usage: Mapping[str, Usage]) -> list[str]:
    """Containers above the guide's 80 %."""
    busy = []
    for name, used in usage.items():
        busy += [f"{name} uses {used.memory:.0%} of its memory" for _ in [0] if used.memory > BUSY]
        busy += [f"{name} uses {used.processors:.0%} of the machine's CPU" for _ in [0] if used.processors > BUSY]
    return busy


@check(guide.Group.PERFORMANCE, "No container is above 80 % of its memory or of the machine's CPU")
def load(survey: Survey) -> Result:
    usage = survey.usage()
    if not usage:
        return failed("no container runs", f"./monopco doctor -s {survey.stack}")
    evidence = ", ".join(f"{name} {used.memory:.0%} of its memory" for name, used in sorted(usage.items()))
    return judged(judge_load(usage), f"./monopco doctor slow -s {survey.stack}", evidence)
