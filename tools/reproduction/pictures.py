"""Pictures of panels with lines, through gnuplot."""
import os
import shutil
import subprocess
import tempfile

# Nine colours of the map viridis from dark to light, the last one darkened so that it shows on white.
VIRIDIS = [(68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128), (94, 201, 98),
           (160, 205, 60), (216, 185, 23)]
CATEGORIES = ["#1b6ca8", "#d1495b", "#2e8b57", "#e08e1b", "#7d4e9e", "#555555", "#17a2a2", "#a0522d", "#999900"]


def layer_colour(k, layers):
    """A colour for layer k = 1..layers, from dark to light."""
    place = 8 * (k - 1) / (layers - 1) if layers > 1 else 4
    low = min(int(place), 7)
    mixed = [round(a + (place - low) * (b - a)) for a, b in zip(VIRIDIS[low], VIRIDIS[low + 1])]
    return "#%02x%02x%02x" % tuple(mixed)


class Line:
    """points: (x, y) or (x, y, low, high), the band around it; labels: texts on the x axis instead of numbers."""

    def __init__(self, title, points, colour, dashed=False, marks=True):
        self.title, self.points, self.colour, self.dashed, self.marks = title, points, colour, dashed, marks


class Panel:
    def __init__(self, title, x, y, lines, log="", labels=None, top=None, bottom=None):
        self.title, self.x, self.y, self.lines, self.log = title, x, y, lines, log
        self.labels, self.top, self.bottom = labels, top, bottom


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def panel_commands(panel, folder, number, key):
    out = [f"set title {quoted(panel.title)}", f"set xlabel {quoted(panel.x)}",
           f"set ylabel {quoted(panel.y)} offset 1,0",
           "unset logscale", "set xrange [*:*]", "set xtics autofreq", "set xtics norotate"]
    low = panel.bottom if panel.bottom is not None else ("*" if "y" in panel.log else 0)
    out.append(f"set yrange [{low}:{panel.top if panel.top is not None else '*'}]")
    if panel.log:
        out.append(f"set logscale {panel.log}")
    if panel.labels:
        out.append("set xtics (" + ", ".join(f"{quoted(text)} {i}" for i, text in enumerate(panel.labels)) + ")")
        out.append(f"set xrange [-0.2:{len(panel.labels) - 0.8}]")
    out.append("set key" if key else "unset key")
    plots = []
    for i, line in enumerate(panel.lines):
        path = os.path.join(folder, f"{number}-{i}.txt")
        with open(path, "w", encoding="utf-8") as file:
            for point in line.points:
                file.write(" ".join(repr(float(v)) for v in point) + "\n")
        colour = quoted(line.colour)
        if line.points and len(line.points[0]) == 4:
            plots.append(f"'{path}' using 1:3:4 with filledcurves fs transparent solid 0.18 noborder "
                         f"lc rgb {colour} notitle")
        dash = "dt 3" if line.dashed else "dt 1"
        marked = line.marks and len(line.points) < 40
        drawn = f"linespoints pt 7 ps 0.6 lw 2 {dash}" if marked else f"lines lw 1.8 {dash}"
        plots.append(f"'{path}' using 1:2 with {drawn} lc rgb {colour} " +
                     (f"title {quoted(line.title)}" if line.title else "notitle"))
    out.append("plot " + ", \\\n     ".join(plots))
    return out


def draw(picture, heading, panels, columns, key_title=""):
    """Draw the panels, columns in a row, with one key at the right of the first panel's lines. False: no gnuplot."""
    panels = [panel for panel in panels if any(line.points for line in panel.lines)]
    if not panels or shutil.which("gnuplot") is None:
        return False
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    titles = [line.title for line in panels[0].lines if line.title]
    height = 110 + 330 * rows
    most = (height - 140) // 20  # lines of the key, one above the other
    key_columns = max(1, -(-len(titles) // most))
    right = 20 + key_columns * (40 + 8 * max((len(title) for title in titles), default=0))
    width = 90 + 390 * columns + right
    with tempfile.TemporaryDirectory() as folder:
        text = [f"set terminal pngcairo size {width},{height} font 'sans,11' background '#ffffff'",
                f"set output {quoted(picture)}", "set border 3 lc rgb '#555555'",
                "set tics nomirror out tc rgb '#333333'",
                "set grid lc rgb '#e4e4e4' lt 1 lw 1",
                f"set multiplot layout {rows},{columns} title {quoted(heading)} font 'sans,14' margins "
                f"{75 / width},{1 - right / width},{65 / height},{1 - 75 / height} spacing {80 / width},{110 / height}",
                f"set key at screen {1 - 10 / width},0.5 right center vertical Left reverse title {quoted(key_title)} "
                f"maxrows {most} samplen 1.5 spacing 1.2"]
        for number, panel in enumerate(panels):
            text += panel_commands(panel, folder, number, number == 0)
        text.append("unset multiplot")
        script = os.path.join(folder, "picture.gp")
        with open(script, "w", encoding="utf-8") as file:
            file.write("\n".join(text) + "\n")
        done = subprocess.run(["gnuplot", script], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"gnuplot failed on {picture}: {done.stderr.strip()[:400]}")
    return True
