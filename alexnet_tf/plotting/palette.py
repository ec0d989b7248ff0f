"""The colors and line styles of all figures; nothing here needs Matplotlib."""

# Okabe and Ito's colors, which stay apart for readers with any kind of color blindness.
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
INK, GRAY = "#222222", "#666666"

TOWERS = (BLUE, VERMILLION, GREEN, PURPLE)
# For things that are compared, in this order, and a line style for each.
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
