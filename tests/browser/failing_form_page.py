"""The Train page whose form fails on the word "fail" in the path of somebody's data: an error in this program."""

import streamlit as st

if __name__ == "__main__":
    from vae_explorer.style import page_style
    from vae_explorer.train import form, own_data

    usual = own_data._preview

    def failing(config: str, changed: int) -> object:
        if "fail" in config:
            raise IndexError("index out of range")
        return usual(config, changed)

    page_style()
    own_data._preview = failing  # type: ignore[assignment]
    form.show()
    own_data._preview = usual
else:
    from vae_explorer.server import lifespan, routes

    app = st.App(__file__, routes=routes(), lifespan=lifespan)
