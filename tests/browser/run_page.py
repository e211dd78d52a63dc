"""A page of one run's view and nothing else, served with our routes: `streamlit run tests/browser/run_page.py`, `?run=ID`."""

import streamlit as st

if __name__ == "__main__":
    from vae_core.training import jobs
    from vae_core.training import run as runs
    from vae_explorer.style import page_style
    from vae_explorer.train import view

    page_style()
    ids = [*sorted(run.id for run in runs.find(jobs.root())), "none"]
    chosen = st.radio("Run", ids, ids.index(st.query_params.get("run", "none")), horizontal=True)
    st.session_state["times"] = st.session_state.get("times", 0) + 1
    if chosen != "none":
        run = runs.open_run(jobs.root(), chosen)
        st.text(f"script run {st.session_state['times']}: {run.status().state}")
        view.show(run, run.status().state)
else:
    from vae_explorer.server import lifespan, routes

    app = st.App(__file__, routes=routes(), lifespan=lifespan)
