#!/usr/bin/env bash
# The newest Python from 3.11 on that runs here; the deployed version first. With an argument, that version only.
set -u
for version in ${1:-3.13 3.12 3.11}; do
  for candidate in "python$version" "$HOME"/.pyenv/versions/"$version"*/bin/python /usr/local/opt/python@"$version"/bin/python"$version"; do
    if "$candidate" -c "import sys; raise SystemExit(sys.version_info[:2] != tuple(map(int, '$version'.split('.'))))" 2>/dev/null; then
      command -v "$candidate"
      exit 0
    fi
  done
done
[ $# -gt 0 ] && exit 1
if python3 -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
  command -v python3
  exit 0
fi
echo "Tocsin needs Python 3.11 or newer; none was found" >&2
echo python3.11
