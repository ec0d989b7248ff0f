"""The paper's comparisons repeated: variants of one recipe are trained, evaluated and compared."""
