#!/usr/bin/env bash
# Everything that only a real card can tell, in under 25 minutes, on a bare machine with torch, transformers and
# accelerate and without a network:
#   devtools/gpu_session.sh pack     here: the wheels that such a machine lacks, into .comfy/gpu_wheels (< 60 MiB)
#   devtools/gpu_session.sh          there: the matrix of tests/gpu, then `bench gpu`; figures in $OUT, else .comfy/bench
#   devtools/gpu_session.sh rehearse here: the same, line by line, on a pretend card, with tiny models and a part of
#                                    the matrix; PYTHON=... is a bare machine's. Each part's seconds: gpu_parts.json
set -u
cd "$(dirname "$0")/.."
wheels=.comfy/gpu_wheels
site=.comfy/gpu_site
out=${OUT:-.comfy/bench}
# With a virtual environment of the project, its Python; else the machine's.
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
needed="filelock psutil pyyaml regex nvidia-ml-py pytest pytest-timeout iniconfig pluggy packaging pygments pillow rapidfuzz"
# Processors of pictures want torchvision, of the release that belongs to torch.
vision_here() {
    "$python" -c 'from importlib.metadata import version; print("torchvision==" + version("torchvision").split("+")[0])' 2>/dev/null ||
        echo torchvision
}

case "${1:-run}" in
pack)
    rm -rf "$wheels" && mkdir -p "$wheels"
    # shellcheck disable=SC2086
    "$python" -m pip download -q --no-deps -d "$wheels" bitsandbytes "$(vision_here)" $needed || exit 1
    # kernels of CUDA 12.8 and newer are enough: every torch of this year is built for one of them
    "$python" - "$wheels" <<'PY' || exit 1
import pathlib, re, sys, zipfile

for wheel in pathlib.Path(sys.argv[1]).glob("bitsandbytes-*.whl"):
    lean = wheel.with_suffix(".lean")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(lean, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            if not re.search(r"_(cuda1(1|2[0-7])\d?|rocm\d+|xpu\d+)\.so$", item.filename):
                new.writestr(item, old.read(item))
    lean.replace(wheel)
PY
    du -sm "$wheels" | cut -f1 | sed "s|\$| MiB in $wheels; carry it with the tree|"
    exit 0
    ;;
rehearse)
    pretend=--pretend
    out=${OUT:-.comfy/rehearsal}
    ;;
run)
    pretend=
    ;;
*)
    echo "devtools/gpu_session.sh [pack | rehearse]" >&2
    exit 2
    ;;
esac

mkdir -p "$out" "$site"
begun=$(date +%s)
for wheel in "$wheels"/*.whl; do
    [ -e "$wheel" ] || continue
    name=$(basename "$wheel" | cut -d- -f1)
    # what is here already stays as it is
    "$python" -c "from importlib.metadata import version; version('$name')" 2>/dev/null ||
        "$python" -m pip install -q --no-index --no-deps --target "$site" "$wheel" ||
        "$python" -m zipfile -e "$wheel" "$site"
done
# the core under the name that scripts import
ln -sfn "$PWD/core" "$site/vramwise"
export PYTHONPATH="$PWD/$site:$PWD${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1
export HOME="${HOME:-/tmp}"

parts=
# part NAME: what ended now took so many seconds since the part before it
part() {
    now=$(date +%s)
    parts="$parts${parts:+, }\"$1\": $((now - last))"
    echo "== $1: $((now - last)) s"
    last=$now
    echo "{$parts, \"all\": $((now - begun))}" >"$out/gpu_parts.json"
}
last=$begun
part "wheels"
[ -n "$pretend" ] || "$python" -c 'import torch; print(torch.__version__, torch.cuda.get_device_name(0))' || exit 1
echo "== the matrix (at most 7 minutes)"
if [ -n "$pretend" ]; then
    set -- -p devtools.pretend_card.in_tests -k "qwen3_vl-bf16 and gives or plan_of_the_gpu"
else
    set --
fi
timeout 420 "$python" -m pytest tests/gpu -m gpu -q "$@" --durations=5 --junitxml "$out/gpu_matrix.xml" 2>&1 | tee "$out/gpu_matrix.txt" | tail -40
[ -n "$pretend" ] || cp -f .comfy/bench/gpu.json "$out/" 2>/dev/null
part "matrix"
left=$((22 - ($(date +%s) - begun) / 60))
[ -z "$pretend" ] || left=${MINUTES:-5}
echo "== full-size models ($left minutes)"
# shellcheck disable=SC2086
"$python" benchmarks/run.py gpu $pretend --minutes "$left" --out "$out/gpu_session.json" 2>&1 | tee "$out/gpu_bench.txt"
part "models"
"$python" -c 'import json, sys; found = json.load(open(sys.argv[1])); print(len(found["rows"]), "rows,", len(found["failed"]), "failed, finished:", found["finished"])' "$out/gpu_session.json"
