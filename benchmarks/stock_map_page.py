"""The rival of the map: the same points on a plain Streamlit page, Plotly's WebGL scatter beside one `st.image`.

`streamlit run benchmarks/stock_map_page.py -- CHECKPOINT COUNT`. It is written as one would write it well: model,
points and figure are made once for all visitors, a class is a trace with one colour (colours point by point would take
longer), and a click on a point decodes the code behind it. Points and picture are as large as on the Map page.
"""

import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from vae_core import checkpoint, maps
from vae_core.config import MapConfig
from vae_core.models import Model
from vae_core.models.rendering import render

HEIGHT, WIDE = 720, (3, 1)  # px; the map's share of the screen's width and the image's


@st.cache_resource(show_spinner=False)
def load(path: str, count: int) -> tuple[Model, list[np.ndarray], go.Figure]:
    """Return the model, the codes of each trace, and the figure."""
    loaded = checkpoint.load(Path(path))
    made = maps.make(loaded, MapConfig(source="draws", count=count))
    labels, size = made.columns["label"], 1 if count > 2e5 else 2 if count > 3e4 else 3
    of_class = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    traces = [
        go.Scattergl(
            x=made.xy[rows, 0], y=made.xy[rows, 1], mode="markers", marker_size=size, name=str(label)
        )
        for label, rows in of_class.items()
    ]
    layout = {"height": HEIGHT, "dragmode": "pan", "margin": {"l": 30, "r": 10, "t": 10, "b": 30}}
    return loaded.model, [made.codes[rows] for rows in of_class.values()], go.Figure(traces, layout)


st.set_page_config(layout="wide")
model, codes, figure = load(sys.argv[1], int(sys.argv[2]))
scatter, image = st.columns(WIDE)
chosen = scatter.plotly_chart(
    figure, key="map", on_select="rerun", selection_mode="points", config={"scrollZoom": True}
)
points = chosen.selection.points or [{"curve_number": 0, "point_index": 0}]
code = codes[points[0]["curve_number"]][points[0]["point_index"]]
image.image(render(model, code[None])[0].squeeze(), width="stretch")
