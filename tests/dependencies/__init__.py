"""Everything that a scene needs travels: one scene with a tile of the picture for each kind of dependency."""
