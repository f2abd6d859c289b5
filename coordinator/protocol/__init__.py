"""The data types that all parts share: frame ranges, states, jobs, messages, and their strict JSON codec. No I/O."""
