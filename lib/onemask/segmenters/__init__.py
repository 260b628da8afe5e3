"""One-shot segmenters: one module per method, found by name; see `onemask.segmenters.base`."""
