"""The paper's tables and figures, each made from runs on disk: `cells` says what is run, `reproduce` does it."""
