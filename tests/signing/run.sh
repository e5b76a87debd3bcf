#!/bin/sh
# Everything about signing that needs botocore or curl: the differential, every form through a real HTTP hop, the
# policies. Python packages go into a virtual environment that is made once and kept.
#
#   tests/signing/run.sh BINDIR [differential|hop|policies|bench]...
#
# SEED and REQUESTS choose the generated requests, LARGEST the largest body of the hop; PAGE is where the bench writes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$1
shift
[ $# -gt 0 ] || set -- differential hop policies

cache=${ES_MIGRATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/es-migrate}
venv=$cache/python-$(cksum <"$here/requirements.txt" | cut -d ' ' -f 1)
if [ ! -e "$venv/complete" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
    : >"$venv/complete"
fi
python=$venv/bin/python
# Nothing is left behind in the tree.
export PYTHONDONTWRITEBYTECODE=1

for part; do
    case $part in
    differential)
        "$python" "$here/differential.py" --tool "$bin/es-sign-request" --seed "${SEED:-1}" --requests "${REQUESTS:-20000}" ;;
    hop)
        "$python" "$here/hop.py" --tool "$bin/es-sign-request" --largest "${LARGEST:-50000000}" ;;
    policies)
        "$python" "$here/policies.py" --tool "$bin/es-iam-policy" ;;
    bench)
        "$python" "$here/bench.py" --tool "$bin/es-sign-request" --awscurl "$venv/bin/awscurl" ${PAGE:+--page "$PAGE"} ;;
    *)
        echo "run.sh: no part $part: differential, hop, policies, bench" >&2
        exit 2 ;;
    esac
done
