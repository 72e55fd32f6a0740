"""The advice as markdown, in English, Russian or Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..catalog.diffusion import diffusion_models
from ..catalog.edition import edition
from ..catalog.formats import AddOn, addons, formats
from ..catalog.words import in_language, sized, words, written
from ..units import GIB, Figure, figure, gib, seconds_text
from .advise import Advice
from .candidate import RESIDENT, WAITS_SECONDS, Candidate
from .diffusion_candidates import usual_ram
from .gpu_ranking import TOLERANCE, balance, rating
from .summary import best_rows, summary
from .targets import Target
from .tasks import ALL, MODEL_TASKS, OCR, WHICH_GPU
from .unlocks import Unlock

if TYPE_CHECKING:
    from .remote_candidates import RemoteCandidate

# Lines of a task's table when every task is shown.
_FEW, _MANY = 6, 20


def report(advice: Advice, lang: str = "en") -> str:
    """The report that a person reads, in "en", "ru" or "zh". Raises UnknownName for another language."""
    say = words(lang)
    return "\n".join(_lines(advice, lang, say)) + "\n"


def _lines(advice: Advice, lang: str, say: Mapping[str, str]) -> Iterator[str]:
    if advice.task == WHICH_GPU:
        yield f"# {say['advise_cards']}"
        yield ""
        yield from _cards(advice.candidates, lang, say)
        if advice.cut:
            yield ""
            yield say["advise_cut_cards"].format(count=advice.cut)
        yield ""
        yield edition().text(say)
        return
    yield "# " + say["advise_title"].format(gpu=sized(advice.gpu, say))
    yield ""
    for line in summary(advice).text(lang):
        yield f"- {line}"
    yield ""
    yield f"## {say['advise_place_head']}"
    yield ""
    yield from _place(advice, say)
    tasks = MODEL_TASKS if advice.task == ALL else (advice.task,)
    best = [pick for task in tasks if (pick := advice.best(task)) is not None]
    yield ""
    yield f"## {say['advise_best']}"
    yield ""
    if not best:
        yield say["advise_nothing"]
    else:
        yield from table_lines(best, lang, say, with_task=True)
    if set(tasks) - {OCR}:
        yield ""
        yield _order(advice.target, say)
    for task in tasks:
        found = [candidate for candidate in advice.candidates if candidate.task == task]
        yield ""
        yield "## " + say["advise_all"].format(task=say[f"advise_task_{task}"])
        yield ""
        yield from _task(found, lang, say, advice.task == ALL)
    if advice.templates:
        yield ""
        yield f"## {say['advise_templates']}"
        yield ""
        ready = [template for template in advice.templates if template.usable]
        yield from table_lines(ready[:_MANY], lang, say, with_task=True)
    if set(tasks) - {OCR}:
        yield from _addons(advice, best, say)
        yield from _formats(advice, say)
    yield from _unlocks(advice.unlocks, lang, say)
    yield from _remote(advice.remote, say)
    yield from _own_faults(advice, lang, say)
    yield ""
    yield say["advise_end"]
    yield from _differ(advice, lang, say)
    yield ""
    yield edition().text(say)


def _place(advice: Advice, say: Mapping[str, str]) -> Iterator[str]:
    names = ", ".join(sized(name, say) for name in advice.taken)
    taken = say["advise_taken"].format(taken=gib(advice.taken_bytes), names=names) if names else ""
    yield from place_lines(advice.target, say, taken=taken, ram_counts=advice.task != OCR)


def place_lines(
    target: Target, say: Mapping[str, str], *, taken: str = "", ram_counts: bool = True
) -> Iterator[str]:
    """The memory that was judged by, and the card."""
    facts = {
        "ocr": gib(target.budget.budget_bytes),
        "comfy": gib(target.comfy_bytes),
        "vram": figure(target.vram_gib, ".4g") if target.vram_gib else "",
    }
    room = "advise_room_own" if not target.vram_gib else "advise_room_live" if target.live else "advise_room"
    yield "- " + say[room].format(**facts)
    if not target.live and target.vram_gib and not (target.gpu is not None and target.gpu.unified):
        told = target.system == "linux" and target.gpu is not None and target.gpu.torch_total_gib is not None
        yield "- " + say["advise_torch_total"].format(
            vram=figure(target.vram_gib, ".4g"),
            total=gib(target.idle_bytes, 2),
            system=say[f"advise_system_{target.system}"],
            basis=say["advise_torch_measured" if told else "advise_torch_rule"],
        )
    if taken:
        yield f"- {taken}"
    if target.ram_bytes:
        yield "- " + say["advise_ram"].format(ram=gib(target.ram_bytes))
    elif ram_counts and not (target.gpu is not None and target.gpu.unified):
        yield "- " + say["advise_ram_unknown"]
    if target.gpu is not None:
        yield "- " + say["advise_card"].format(
            colour=say[f"advise_colour_{rating(target.gpu)}"],
            balance=say[f"advise_balance_{balance(target.gpu).verdict}"],
        )
    for remark in remarks(target, say):
        yield f"- {remark}"


def remarks(target: Target, say: Mapping[str, str]) -> Iterator[str]:
    """What has to be known of a place with every answer about it."""
    if target.count > 1:
        yield say["advise_count"].format(count=target.count)
    if target.budget.set_by_hand:
        yield say["check_by_hand"].format(value=target.budget.set_by_hand)
    if target.gpu is not None and target.gpu.status != "released":
        yield say["advise_rumour"]
    if target.gpu is not None and target.gpu.yours:
        yield say["advise_own_card"]
    if target.gpu is not None and target.gpu.torch_build and not target.live:
        yield say[f"advise_build_{target.gpu.torch_build}"]


def _order(target: Target, say: Mapping[str, str]) -> str:
    first, second = WAITS_SECONDS
    ram = gib(usual_ram(target), 0)
    return say["advise_order"].format(first=figure(first), second=figure(second), ram=ram)


def _task(found: Sequence[Candidate], lang: str, say: Mapping[str, str], short: bool) -> Iterator[str]:
    usable = [candidate for candidate in found if candidate.usable]
    each = _first_of_each(usable)
    first = [row for place, row in enumerate(each) if place < _FEW or row.asked_for or row.yours]
    shown = first if short else _without_idle_rungs(usable)
    if not shown:
        yield say["advise_nothing"]
    else:
        yield from table_lines(shown, lang, say, with_task=False)
    if not short and len(shown) < len(usable):
        yield ""
        yield say["advise_smaller"].format(count=len(usable) - len(shown))
    if short and len(each) > len(shown):
        yield ""
        yield say["advise_more_run"].format(count=len(each) - len(shown))
    yield from _not_here(found, lang, say)
    yield from _installable(found, lang, say)
    for candidate in found:
        if candidate.verdict == "unknown":
            yield ""
            yield f"{candidate.name}: {candidate.reason(lang)}"


def _not_here(found: Sequence[Candidate], lang: str, say: Mapping[str, str]) -> Iterator[str]:
    """Why the models that people ask for by name do not run, each at the precision that comes nearest; the
    others are counted."""
    nearest = [
        row
        for row in best_rows(found, found[0].task if found else "")
        if not row.usable and row.verdict != "unknown" and row.why != "not_installed"
    ]
    told = [row for row in nearest if row.asked_for or row.yours]
    if told:
        yield ""
        yield say["advise_not_here"]
        yield ""
        for row in told:
            precision = in_language(row.precision, lang)
            facts = {"name": _named(row, say), "precision": precision, "reason": row.reason(lang)}
            yield "- " + say["advise_not_here_line"].format(**facts)
    if len(nearest) > len(told):
        yield ""
        yield say["advise_more"].format(count=len(nearest) - len(told))


def _named(row: Candidate, say: Mapping[str, str]) -> str:
    return f"{row.name} ({say['advise_yours']})" if row.yours else row.name


def _installable(found: Sequence[Candidate], lang: str, say: Mapping[str, str]) -> Iterator[str]:
    """One line for each thing that is not installed here, with the precisions that wait for it."""
    waiting: dict[str, dict[str, None]] = {}
    for candidate in found:
        if candidate.why == "not_installed":
            waiting.setdefault(candidate.reason(lang), {})[in_language(candidate.precision, lang)] = None
    for reason, precisions in waiting.items():
        yield ""
        yield say["advise_installable"].format(precisions=", ".join(precisions), reason=reason)


def _first_of_each(found: Sequence[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for candidate in found:
        best.setdefault(candidate.model, candidate)
    return list(best.values())


def _without_idle_rungs(usable: Sequence[Candidate]) -> list[Candidate]:
    """Without the estimated GGUF sizes of models that stay resident at more bits."""
    shown, resident = [], set[str]()
    for row in usable:
        if row.confidence != "estimated" or row.model not in resident:
            shown.append(row)
        if row.verdict in RESIDENT and not row.rough:
            resident.add(row.model)
    return shown


def table_lines(
    found: Sequence[Candidate], lang: str, say: Mapping[str, str], *, with_task: bool = False
) -> Iterator[str]:
    """A markdown table, a row a candidate."""
    streamed = any(row.task != OCR for row in found)  # OCR models are of one tier and wait for no bus
    heads = ["model", "precision", "verdict", *(["tier", "step"] if streamed else [])]
    heads += ["optimal", "resident", "floor", *(["ram"] if streamed else []), "licence", "commercial"]
    heads += ["confidence", "installed", "reason"]
    heads = (["task"] if with_task else []) + heads
    yield "| " + " | ".join(say[f"advise_head_{head}"] for head in heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in found:
        cells = [say[f"advise_task_{row.task}"]] if with_task else []
        cells += [_named(row, say), in_language(row.precision, lang), say[f"advise_verdict_{row.verdict}"]]
        if streamed:
            waits = written(seconds_text(row.seconds_per_step), say) if row.seconds_per_step else "0"
            waits = waits if row.usable else "-"
            cells += ["-", "-"] if row.task == OCR else [str(row.tier), waits]
        cells += [
            written(gib(size), say) for size in (row.optimal_bytes, row.resident_bytes, row.floor_bytes)
        ]
        cells += [written(gib(row.ram_bytes), say)] if streamed else []
        cells += [in_language(row.licence, lang), say[f"advise_commercial_{row.commercial}"]]
        cells += [say[f"advise_confidence_{row.confidence}"], say["advise_yes"] if row.installed else ""]
        cells.append(row.reason(lang))
        yield "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _cards(found: Sequence[Candidate], lang: str, say: Mapping[str, str]) -> Iterator[str]:
    if not found:
        yield say["advise_no_card"]
        return
    yield f"| {say['advise_head_card']} | {say['advise_head_reason']} |"
    yield "|---|---|"
    for card in found:
        yield f"| {card.name} | {card.reason(lang)} |"


def _unlocks(unlocks: Sequence[Unlock], lang: str, say: Mapping[str, str]) -> Iterator[str]:
    if not unlocks:
        return
    yield ""
    yield "## " + say["advise_unlocks"].format(tier=figure(unlocks[0].vram_gib))
    yield ""
    for unlock in unlocks:
        was = f" ({in_language(unlock.was, lang)})" if unlock.was else ""
        task, precision = (
            say[f"advise_task_{unlock.candidate.task}"],
            in_language(unlock.candidate.precision, lang),
        )
        yield f"- {task}: {unlock.candidate.name} {precision}{was}"


def _remote(found: Sequence[RemoteCandidate], say: Mapping[str, str]) -> Iterator[str]:
    """What this card cannot hold and an endpoint could."""
    if not found:
        return
    yield ""
    yield f"## {say['advise_elsewhere']}"
    yield ""
    for remote in found:
        model = f"{remote.candidate.name} {remote.candidate.precision}"
        line = say["advise_elsewhere_served" if remote.endpoints else "advise_elsewhere_size"]
        endpoints = ", ".join(remote.endpoints)
        yield "- " + line.format(model=model, size=figure(remote.vram_gib), endpoints=endpoints)
    yield ""
    yield say["advise_elsewhere_how"]


def _addons(advice: Advice, best: Sequence[Candidate], say: Mapping[str, str]) -> Iterator[str]:
    """ControlNets where they fit beside their model; LoRA and patches of the best picks and of no particular
    model; training; and what a model made for few steps is, where one is advised."""
    picked = {candidate.model: candidate for candidate in best}
    yield ""
    yield f"## {say['advise_addons']}"
    yield ""
    yield from _distilled(advice, say)
    for addon in addons():
        name = say.get(f"advise_addon_name_{addon.name}", addon.name)
        if addon.vram_gb:
            left = (advice.target.vram_gib or 0) - advice.taken_bytes / GIB
            fits = left >= addon.vram_gb * (1 - TOLERANCE)
            facts = {"name": name, "size": figure(addon.vram_gb)}
            yield "- " + say["advise_addon_task"].format(**facts, verdict=_fits(fits, say))
        elif addon.gib is not None:
            size = _range(*addon.gib)
            if not addon.model:
                yield "- " + say["advise_addon_any"].format(name=name, size=size)
                continue
            beside = _beside(advice, addon) or picked.get(addon.model)
            if beside is None or (addon.kind != "controlnet" and addon.model not in picked):
                continue
            fits = _with(beside, addon) <= advice.target.comfy_bytes
            facts = {"name": name, "size": size, "model": f"{beside.name} {beside.precision}"}
            yield "- " + say["advise_addon_beside"].format(**facts, verdict=_fits(fits, say))


def _beside(advice: Advice, addon: AddOn) -> Candidate | None:
    """The best candidate of its model that stays resident together with ``addon``."""
    room = advice.target.comfy_bytes
    found = [pick for pick in advice.picks if pick.model == addon.model and pick.verdict in RESIDENT]
    return min(
        (pick for pick in found if _with(pick, addon) <= room), key=lambda pick: pick.key, default=None
    )


def _with(candidate: Candidate, addon: AddOn) -> int:
    return (candidate.optimal_bytes or 0) + round((addon.gib or (0, 0))[1] * GIB)


def _distilled(advice: Advice, say: Mapping[str, str]) -> Iterator[str]:
    """What Lightning, Turbo and schnell are, with the names of those that are advised."""
    few = {model.id for model in diffusion_models() if model.distilled}
    names = dict.fromkeys(pick.name.partition(" (")[0] for pick in advice.picks if pick.model in few)
    if names:
        yield "- " + say["advise_distilled"].format(names=", ".join(names))


def _fits(fits: bool, say: Mapping[str, str]) -> str:
    return say["advise_verdict_fits" if fits else "advise_verdict_no"]


def _formats(advice: Advice, say: Mapping[str, str]) -> Iterator[str]:
    heads = ("format", "bits", "bytes", "files", "fast")
    yield ""
    yield f"## {say['advise_formats']}"
    yield ""
    yield "| " + " | ".join(say[f"advise_head_{head}"] for head in heads) + " |"
    yield "|" + "---|" * len(heads)
    for form in formats():
        low, high = form.measured_low, form.measured_high
        files = "-" if low is None or high is None else written(_range(low, high), say)
        bits, each = written(figure(form.bits), say), written(figure(form.bits / 8, ".3g"), say)
        fast = say["advise_yes"] if form.fast_on(advice.target.budget.capability) else ""
        yield f"| {form.format} | {bits} | {each} | {files} | {fast} |"


def _range(low: float, high: float) -> Figure:
    """ "4.5", "4.5-5.2"."""
    return Figure(f"{low:g}" if low == high else f"{low:g}-{high:g}")


def _differ(advice: Advice, lang: str, say: Mapping[str, str]) -> Iterator[str]:
    if not advice.contradictions:
        return
    yield ""
    yield f"## {say['advise_differ']}"
    yield ""
    for check in advice.contradictions:
        yield "- " + say["advise_differ_line"].format(
            seed=say[f"advise_seed_{check.seed}"],
            cell=check.row.place(say),
            published=check.row.printed(say),
            reason=check.reason(lang),
        )


def _own_faults(advice: Advice, lang: str, say: Mapping[str, str]) -> Iterator[str]:
    if not advice.own_faults:
        return
    yield ""
    yield f"## {say['advise_own_rows']}"
    yield ""
    for fault in advice.own_faults:
        yield f"- {fault.text(lang)}"


def tiers_report(task: str = ALL, lang: str = "en") -> str:
    """What each usual memory size keeps resident over the one below, as markdown."""
    from .memory_ranges import tiers

    say = words(lang)
    lines = [f"## {say['advise_tiers']}", ""]
    for tier, found in tiers(task):
        new = [unlock.candidate for unlock in found if not unlock.was]
        names = "; ".join(f"{one.name} {in_language(one.precision, lang)}" for one in new)
        lines.append(f"- {sized(f'{tier} GB', say)}: {names or say['advise_unlocks_none']}")
    return "\n".join(lines) + "\n"
