"""Which models stand side by side: one to four of the same data, kept by name, named in the address."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from vae_core.checkpoint import Description
from vae_core.errors import CheckpointError, ConfigError, ExplorerError
from vae_core.evaluation.comparison import check_comparable
from vae_explorer import library, session
from vae_explorer.library import OpenModel

CHOSEN, ADDRESS = "compare_models", "models"
MOST, USUAL = 4, 3
_DATA, _MODELS = "compare_data_select", "compare_models_select"


@dataclass(frozen=True)
class Choice:
    """What was chosen, and from what."""

    models: list[OpenModel]  # in the order they were chosen
    group: list[str]  # the names of all models of the same data
    row: DeltaGenerator  # the row of controls


def models() -> Choice | None:
    """Show what can be compared and let people choose; None if there is no model at all.

    A model that cannot stand beside the first one chosen is refused in a sentence.
    """
    descriptions = _descriptions()
    groups = comparable(descriptions)
    if not groups:
        return None
    group = _group(groups, _wanted(groups, descriptions))
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    _data(row, groups, group, descriptions)
    row.multiselect(
        "Models",
        group,
        key=_mirror(_MODELS, [name for name in st.session_state[CHOSEN] if name in group]),
        format_func=library.title,
        max_selections=MOST,
        placeholder="Choose up to four models",
        label_visibility="collapsed",
        width="stretch",
        on_change=lambda: st.session_state.update({CHOSEN: st.session_state[_MODELS]}),
    )
    _refused(row, group, descriptions)
    return Choice(_opened(group), group, row)


def comparable(descriptions: dict[str, Description]) -> list[list[str]]:
    """Put names into groups within which every model can be compared with the first; both keep their order."""
    groups: list[list[str]] = []
    for name in descriptions:
        home = next((group for group in groups if not difference(group[0], name, descriptions)), None)
        if home is None:
            groups.append([name])
        else:
            home.append(name)
    return groups


def difference(first: str, other: str, descriptions: dict[str, Description]) -> str:
    """Return why a model cannot be compared with the first one; empty if it can."""
    try:
        check_comparable({library.title(name): descriptions[name] for name in (first, other)})
    except ConfigError as error:
        return str(error)
    return ""


def add(name: str) -> None:
    """Put one more model beside those chosen, in the place of the last one if there is no room."""
    chosen = st.session_state.get(CHOSEN, [])
    if name not in chosen:
        st.session_state[CHOSEN] = [*chosen[: MOST - 1], name]


def _descriptions() -> dict[str, Description]:
    """What each model is, by name; files that cannot be read are left to the model picker of other pages."""
    found: dict[str, Description] = {}
    for name, path in library.models().items():
        if (known := library.described(path)) is not None:
            found[name] = known
    return found | {name: each.checkpoint.description for name, each in session.opened_here().items()}


def _wanted(groups: list[list[str]], descriptions: dict[str, Description]) -> list[str]:
    """The names chosen: before, by the address, or the usual ones beside the model in view."""
    if CHOSEN not in st.session_state:
        named = [name for name in session.arrived_with().get(ADDRESS, "").split(",") if name]
        for name in named:
            if name not in descriptions:
                session.complain(
                    CheckpointError(
                        f"There is no model named {session.shortened(name)} here; choose others, or open its file on Explore first."
                    )
                )
        named = [name for name in dict.fromkeys(named) if name in descriptions]
        for name in named[1:]:
            if why := difference(named[0], name, descriptions):
                session.complain(ConfigError(why))
        named = [name for name in named if not difference(named[0], name, descriptions)]
        st.session_state[CHOSEN] = named[:MOST] or _usual(_of_view(groups))
    st.session_state[CHOSEN] = [name for name in st.session_state[CHOSEN] if name in descriptions]
    found: list[str] = st.session_state[CHOSEN]
    return found


def _of_view(groups: list[list[str]]) -> list[str]:
    """The group of the model in view, that one first."""
    opened = session.current()
    home = next((group for group in groups if opened is not None and opened.name in group), groups[0])
    return sorted(home, key=lambda name: opened is None or name != opened.name)


def _usual(group: list[str]) -> list[str]:
    return group[:USUAL]


def _group(groups: list[list[str]], chosen: list[str]) -> list[str]:
    """The group of the models chosen; of the data looked at last, where none is chosen."""
    last = st.session_state.get("compare_group", groups[0][0])
    anchor = chosen[0] if chosen else last
    group = next((group for group in groups if anchor in group), groups[0])
    st.session_state["compare_group"] = group[0]
    return group


def _data(
    row: DeltaGenerator, groups: list[list[str]], group: list[str], descriptions: dict[str, Description]
) -> None:
    """Choose the data; the usual models of them are then chosen, too."""
    if len(groups) < 2:
        return
    titles = _titles([descriptions[each[0]].info.title for each in groups])
    heads = {each[0]: each for each in groups}

    def take() -> None:
        st.session_state[CHOSEN] = _usual(heads[st.session_state[_DATA]])

    row.selectbox(
        "Data",
        list(heads),
        key=_mirror(_DATA, group[0]),
        format_func=dict(zip(heads, titles, strict=True)).__getitem__,
        label_visibility="collapsed",
        width=190,
        on_change=take,
    )


def _titles(titles: list[str]) -> list[str]:
    """The same titles, numbered where one stands for several kinds of data."""
    numbers = {title: count(1) for title in titles}
    return [title if titles.count(title) == 1 else f"{title} ({next(numbers[title])})" for title in titles]


def _refused(row: DeltaGenerator, group: list[str], descriptions: dict[str, Description]) -> None:
    """List the models that cannot stand beside these, each with its sentence."""
    refused = [name for name in descriptions if name not in group]
    if not refused:
        return
    with row.popover(f"{len(refused)} refused", icon=":material/block:"):
        for name in refused:
            st.caption(difference(group[0], name, descriptions))


def _opened(group: list[str]) -> list[OpenModel]:
    found = []
    for name in st.session_state[CHOSEN]:
        if name not in group:
            continue
        try:
            opened = session.open_named(name)
            _check_items(opened)
        except ExplorerError as error:
            session.complain(error)
            continue
        found.append(opened)
    return found


def _check_items(opened: OpenModel) -> None:
    if opened.checkpoint.reference is None:
        raise ConfigError(
            f"{library.title(opened.name)} came without encoded data, so that there are no items to show side by "
            "side; open a model that this program has trained."
        )


def _mirror(key: str, value: Any) -> str:
    """The choice lives under a plain key; the widget only mirrors it, and may come and go with the page."""
    st.session_state[key] = value
    return key
