"""certbinder's main job on one machine, as a show that checks itself: see scripts/demo."""
