"""`--augment` and `--no-augment`: whether data nodes get a latent of their own."""

from __future__ import annotations

import argparse


def add_augment(parser: argparse._ActionsContainer) -> None:
    """Let a command say how data nodes are written for EM; by default as is best."""
    parser.add_argument(
        "--augment",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="write data with a latent of their own (a t as a normal of unknown precision) "
        "wherever that can be, or nowhere; by default where it is better",
    )
