"""The paper's pictures drawn from a run: functions that return Matplotlib figures (extra `plots`)."""
