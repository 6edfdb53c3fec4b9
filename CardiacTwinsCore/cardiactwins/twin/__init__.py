"""Digital siblings of a heart: generative model, edits and cohorts (TwinEditor)."""
