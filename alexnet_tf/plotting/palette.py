"""The colors of all pictures, and the line styles that go with them; nothing here needs Matplotlib."""

# Okabe and Ito's colors, which people with any kind of color blindness tell apart.
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
INK, GRAY = "#222222", "#666666"

TOWERS = (BLUE, VERMILLION, GREEN, PURPLE)
# One after the other, for things that are compared, each with a line of its own.
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
