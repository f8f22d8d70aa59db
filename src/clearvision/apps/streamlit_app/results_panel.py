"""Results: the viewer, figures, what was found and chosen, downloads, and what failed."""

from __future__ import annotations

import zipfile
from collections import Counter
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import streamlit as st

from clearvision.apps.streamlit_app.damage import Damage
from clearvision.apps.streamlit_app.making import Failed, Finished, make_between, make_trust_map
from clearvision.apps.streamlit_app.preview import Preview
from clearvision.apps.streamlit_app.progress_panel import duration, show_progress
from clearvision.apps.streamlit_app.scores import PROTOCOL
from clearvision.apps.streamlit_app.shared import session, workshop
from clearvision.apps.streamlit_app.viewer import Pane, show_viewer
from clearvision.apps.streamlit_app.work import Work
from clearvision.imaging.formats import identify

BETWEEN, TRUST = "between", "trust"
_AGREEMENT = "PSNR of the result, made small again, against what the network was given."


def show_results(outcomes: list[Finished | Failed]) -> None:
    """Show what was made."""
    finished = [each for each in outcomes if isinstance(each, Finished)]
    failed = [each for each in outcomes if isinstance(each, Failed)]
    if failed and len(outcomes) == 1:
        st.error(failed[0].why)
        return
    if len(outcomes) > 1:
        st.markdown(f"**{len(finished)} of {len(outcomes)} pictures made**")
    if failed:
        st.table({"Picture": [each.name for each in failed], "Why nothing was made of it": [each.why for each in failed]})
    if not finished:
        return
    if len(finished) > 1:
        _download_all(finished)
        index = st.selectbox("Show", range(len(finished)), format_func=lambda place: finished[place].given.name)
        _show_one(finished[index])
    else:
        _show_one(finished[0])


def _show_one(made: Finished) -> None:
    panes = [Pane("Result" if made.original is None else "Restored", made.after, made.vivid)]
    panes.insert(0, Pane("Your picture" if made.original is None else "Damaged", made.before))
    if made.original is not None:
        panes.insert(0, Pane("Original", made.original))
    slider = len(panes) - 2, len(panes) - 1
    label = f"{made.given.name} before and after"
    vividness = show_viewer(panes, name=str(made.path), key="result", label=label, slider=slider)
    if made.after.shown < 1:
        st.caption(f"Sent to the browser at {made.after.shown:.0%} of its size; closer views follow when the picture rests.")
    _show_scores(made)
    _show_download(made, vividness or 0.0)
    _show_facts(made)
    _show_trust(made)


def _show_scores(made: Finished) -> None:
    if made.scores is not None and made.bicubic is not None:
        scores, bicubic = made.scores, made.bicubic
        card: dict[str, Any] = {"border": True, "height": "stretch"}
        beside = "vs bicubic" if scores.consistency is not None else "vs the damaged picture"
        with st.container(horizontal=True):
            st.metric("PSNR", f"{scores.psnr:.2f} dB", f"{scores.psnr - bicubic.psnr:+.2f} dB {beside}", **card)
            st.metric("SSIM", f"{scores.ssim:.4f}", f"{scores.ssim - bicubic.ssim:+.4f} {beside}", **card)
            if scores.consistency is not None:
                st.metric("Agreement with its input", f"{scores.consistency:.1f} dB", help=_AGREEMENT, **card)
        st.caption(f"Against the original, protocol {PROTOCOL.name}: {PROTOCOL.summary}.")
    elif made.original is not None:
        st.caption("The picture is too small for figures against the original.")


def _show_download(made: Finished, vividness: float) -> None:
    if made.vivid is None or vividness == 0:
        _download(made.path, made.name)
        return
    visitor, shop = session(), workshop()
    place = f"{BETWEEN}-{made.path}-{vividness:g}"
    work = visitor.work(BETWEEN)
    current = work if st.session_state.get(f"{BETWEEN}-of") == place else None
    if current is None:
        st.caption(f"The slider mixes the two pictures; the file at {vividness:g} is computed with the networks mixed.")
        if st.button(f"Compute the file at vividness {vividness:g}", type="primary"):
            task = partial(make_between, made, vividness, visitor.new_folder(), shop)
            visitor.begin(BETWEEN, Work(task, shop.turn))
            st.session_state[f"{BETWEEN}-of"] = place
            st.rerun()
    elif current.busy:
        show_progress(BETWEEN)
    elif isinstance(current.result, Path):
        _download(current.result, made.name)
    else:
        st.error(current.error or "Cancelled.")


def _download(path: Path, name: str) -> None:
    size = path.stat().st_size
    told = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
    kind = identify(path).name.upper()
    label = f"Download {kind}, {told}"
    st.download_button(label, path.read_bytes, name, type="primary", on_click="ignore", icon=":material/download:")


def _download_all(finished: list[Finished]) -> None:
    label = f"Download all {len(finished)} as ZIP"
    pack = partial(zipped, finished)
    st.download_button(label, pack, "clearvision.zip", "application/zip", type="primary", on_click="ignore")


def zipped(finished: list[Finished]) -> bytes:
    """Return results as a ZIP file, under the names of :func:`names_apart`."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # pictures are packed already
        for made, name in zip(finished, names_apart(finished), strict=True):
            archive.write(made.path, name)
    return file.getvalue()


def names_apart(finished: list[Finished]) -> list[str]:
    """Return a name for each result, as the command line gives them: of equal ones each says what its input was.

    What is equal even then, which no folder could hold but several uploads can, is numbered.
    """
    wanted = Counter(made.name.lower() for made in finished)
    names: list[str] = []
    taken: Counter[str] = Counter()
    for made in finished:
        path = Path(made.name)
        if wanted[made.name.lower()] > 1 and (suffix := Path(made.given.name).suffix):
            path = path.with_stem(f"{path.stem}_{suffix[1:].lower()}")
        taken[path.name.lower()] += 1
        count = taken[path.name.lower()]
        names.append(path.name if count == 1 else f"{path.stem}_{count}{path.suffix}")
    return names


def _show_facts(made: Finished) -> None:
    facts = made.facts
    if facts.choice is not None:
        st.markdown(f"Found: {facts.choice}.")
    frames = f", {facts.frames} frames" if facts.frames > 1 else ""
    st.caption(
        f"{made.before.width} x {made.before.height} to {made.after.width} x {made.after.height}{frames} by {facts.model} "
        f"in {duration(facts.seconds) if facts.seconds >= 10 else f'{facts.seconds:.1f} s'} ({facts.engine})."
        + (
            f" Made small again it agrees with its input to {facts.consistency:.1f} dB."
            if facts.consistency and made.scores is None
            else ""
        )
    )
    for retry in facts.retries:
        st.warning(f"Done in another way than planned: {retry}.")
    with st.expander("The same on the command line"):
        st.code(_commands(made), language="bash")


def _commands(made: Finished) -> str:
    damage: Damage | None = made.damage
    if damage is None:
        return made.choices.command(made.given.name)
    return "\n".join((damage.command(made.given.name), made.choices.command(f"damaged/{made.source.name}")))


def _show_trust(made: Finished) -> None:
    if made.facts.frames > 1 or made.facts.scale == 1:
        return
    visitor, shop = session(), workshop()
    work = visitor.work(TRUST) if st.session_state.get(f"{TRUST}-of") == made.path else None
    if work is None:
        told = "Computes the picture from eight sides and marks where the results differ: there the network made detail up."
        if st.button("Where is detail made up?", help=told, icon=":material/troubleshoot:"):
            task = partial(make_trust_map, made, visitor.new_folder(), shop)
            visitor.begin(TRUST, Work(task, shop.turn))
            st.session_state[f"{TRUST}-of"] = made.path
            st.rerun()
    elif work.busy:
        show_progress(TRUST)
    elif isinstance(work.result, Preview):
        panes = [Pane("Result", made.after), Pane("Trust map", work.result)]
        show_viewer(panes, name=str(work.result.path), key=TRUST, label="Result and trust map")
        st.caption(
            "Black: all views of the network agree. White: they differ by 32 grey levels or more, so what is seen there may be "
            "made up. Agreement is no proof, since all views can be wrong together."
        )
    else:
        st.error(work.error or "Cancelled.")
