"""A slider, and what follows from it."""

import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    return (mo,)


@app.cell
def _(mo):
    size = mo.ui.slider(1, 10, value=3)
    size  # noqa: B018 (what a cell ends with is what it shows)
    return (size,)


@app.cell
def _(mo, size):
    mo.md("stars: " + "*" * size.value)
    return
