"""Completion: the scripts that shells load, and the answers to what they ask."""

from __future__ import annotations

import os
from typing import ClassVar

from click.shell_completion import BashComplete, add_completion_class, get_completion_class, split_arg_string

from vfs.cli import output
from vfs.cli.call import Call
from vfs.cli.root import COMPLETE_VARIABLE, root

SHELLS = ("bash", "zsh", "fish")

# bash breaks words at `@`, `:` and `=`, which revisions are full of: the script sends words broken at blanks
# only, and takes from each answer what bash holds to be typed already.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}" word typed kind value
    word="${line##*[[:blank:]]}"
    typed="${word%%"${word##*[@:=]}"}"
    COMPREPLY=()
    while IFS=',' read -r kind value; do
        case "$kind" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$typed"}"); [[ $value == */ ]] && compopt -o nospace ;;
        esac
    done < <(COMP_WORDS="$line" COMP_CWORD="$word" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template: ClassVar[str] = _BASH

    @staticmethod
    def _check_version() -> None:
        """No bash is started to print a script for it."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, and that one."""
        incomplete = os.environ.get("COMP_CWORD", "")
        words = split_arg_string(os.environ.get("COMP_WORDS", ""))[1:]
        return (words[:-1] if incomplete and words else words), incomplete


add_completion_class(_Bash)


def script(shell: str) -> str:
    """What `shell` is to source."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    return kind(root, {}, "vfs", COMPLETE_VARIABLE).source()


def answer(instruction: str, call: Call) -> int:
    """Answer a shell's question (`bash_complete`, …) on standard output; never an error message."""
    shell, _, verb = instruction.partition("_")
    kind = get_completion_class(shell)
    if kind is None or verb not in ("source", "complete"):
        return 1
    asked = kind(root, {"obj": call}, "vfs", COMPLETE_VARIABLE)
    try:
        output.write((asked.source() if verb == "source" else asked.complete() + "\n").encode())
        output.flush()
    except Exception:
        # A shell would print whatever we say into the line being typed.
        return 1
    return 0
