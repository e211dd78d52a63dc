"""Train: choose data and a model, press Train, and watch the latent space form."""

from vae_explorer.train import choose, form, watch

run, row = choose.run_in_view()
if run is not None:
    watch.show(run, row)
elif (started := form.show()) is not None:
    choose.look_at(started)
choose.all_runs(run)
