"""Give photographs names with a season, from a table or from the folders they are in.

    %(prog)s PHOTOGRAPHS OUT --table=seasons.csv
    %(prog)s PHOTOGRAPHS OUT

The table has two columns, picture and season: IMG_1.jpg,summer. Without one, summer/IMG_1.jpg is a
picture of the summer. Seasons are ilkb, yaz, sonb, kis, 4mev or spring, summer, autumn, winter,
all. OUT gets links to the photographs, or copies on another disk: bag_yaz_1.jpg where the name
begins with a garment, else yaz_IMG_1.jpg, which generateVggAnno.py labels with --garment=any or
the name of one.
"""

from pathlib import Path

from fashion.terminal import command_parser
from mrcnn.errors import counted

SHOWN = 5


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Name the pictures; exit code 1 if none has got a season."""
    parser = command_parser(__doc__, prog)
    parser.add_argument("photographs", type=Path, metavar="PHOTOGRAPHS", help="folder of them")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the links")
    parser.add_argument("--table", type=Path, metavar="FILE.csv", help="picture, season")
    options = parser.parse_args(arguments)
    from fashion.pictures.season_names import place_pictures, read_seasons, season_names

    seasons = read_seasons(options.table) if options.table else None
    found = season_names(options.photographs, seasons)
    place_pictures(options.photographs, options.out, found.names)
    print(f"{counted(len(found.names), 'picture')}: {options.out.absolute()}")
    if found.without:
        names = ", ".join(found.without[:SHOWN]) + (", ..." if len(found.without) > SHOWN else "")
        print(f"{len(found.without)} without a season were left out ({names})")
    return 0 if found.names else 1
