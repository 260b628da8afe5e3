"""The demo worlds: our own renderers of faces, cats, cars and horses with exact label maps, and the annotator."""
