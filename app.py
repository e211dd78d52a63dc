"""The door. `streamlit run app.py` starts the server below; for each visitor Streamlit runs this file again
as the page script, which shows the navigation.
"""

import streamlit as st

if __name__ == "__main__":
    from vae_explorer.style import page_style

    page_style()
    explore = st.Page("pages/explore.py", title="Explore", default=True)
    latent_map = st.Page("pages/map.py", title="Map")
    walk = st.Page("pages/walk.py", title="Walk")
    continuity = st.Page("pages/continuity.py", title="Continuity")
    compare = st.Page("pages/compare.py", title="Compare")
    train = st.Page("pages/train.py", title="Train")
    equations = st.Page("pages/equations.py", title="Equations")
    pages = [explore, latent_map, walk, continuity, compare, train, equations]
    page = st.navigation(pages, position="top")

    from vae_explorer import session

    session.arrive(page.url_path)
    page.run()
else:
    from vae_explorer.server import lifespan, middleware, routes

    app = st.App(__file__, routes=routes(), middleware=middleware(), lifespan=lifespan)
