#!/usr/bin/env bash
# Everything that only a real card can tell, in under 25 minutes, on a bare machine with torch, transformers and
# accelerate and without a network:
#   devtools/gpu_session.sh pack [PYTHON [TORCHVISION]]
#         here: the wheels that such a machine lacks, into .comfy/gpu_wheels (< 60 MiB), to be carried there with
#         the tree. PYTHON (3.12) is that machine's where it is another one's, TORCHVISION a release of its torch
#   devtools/gpu_session.sh [MINUTES]
#         there: the matrix of tests/gpu, then `bench gpu`; figures in $OUT, else .comfy/bench. Where a command may
#         take ten minutes only: MINUTES 8, and the same line again and again; it goes on where it stopped, until
#         it says "finished: True". MODELS="qwen3_vl_8b": these alone
#   devtools/gpu_session.sh rehearse
#         here: the same, line by line, on a pretend card, with tiny models and a part of the matrix; PYTHON=... is
#         a bare machine's. Each part's seconds: gpu_parts.json
# Each figure is written once it is known, into $OUT and .comfy/bench: what breaks or is stopped loses one part.
set -u
cd "$(dirname "$0")/.."
wheels=.comfy/gpu_wheels
site=.comfy/gpu_site
# With a virtual environment of the project, its Python; else the machine's.
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
needed="filelock psutil pyyaml regex nvidia-ml-py pytest pytest-timeout iniconfig pluggy packaging pygments pillow rapidfuzz"
# Processors of pictures want torchvision, of the release that belongs to torch.
vision_here() {
    "$python" -c 'from importlib.metadata import version; print("torchvision==" + version("torchvision").split("+")[0])' 2>/dev/null ||
        echo torchvision
}

pretend=
minutes=24
keep=.comfy/bench
case "${1:-run}" in
pack)
    rm -rf "$wheels" && mkdir -p "$wheels"
    target=
    vision=$(vision_here)
    if [ -n "${2:-}" ]; then
        target="--only-binary=:all: --implementation cp --python-version $2 --platform manylinux2014_x86_64"
        for number in 5 17 24 27 28 31 34; do target="$target --platform manylinux_2_${number}_x86_64"; done
        # of another torch only its own will do, and a machine that has torch mostly has that one too
        vision=${3:+torchvision==$3}
    fi
    # shellcheck disable=SC2086
    "$python" -m pip download -q --no-deps -d "$wheels" $target bitsandbytes $vision $needed || exit 1
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
    keep=.comfy/rehearsal
    rm -rf "$keep" "${OUT:-$keep}/gpu_session.json"
    ;;
run) ;;
*[!0-9]*)
    echo "devtools/gpu_session.sh [MINUTES | pack [PYTHON [TORCHVISION]] | rehearse]" >&2
    exit 2
    ;;
*) minutes=$1 ;;
esac
out=${OUT:-$keep}

mkdir -p "$out" "$keep" "$site"
begun=$(date +%s)
for wheel in "$wheels"/*.whl; do
    [ -e "$wheel" ] || continue
    name=$(basename "$wheel" | cut -d- -f1)
    # what is here already stays as it is
    PYTHONPATH=$site "$python" -c "from importlib.metadata import version; version('$name')" 2>/dev/null ||
        "$python" -m pip install -q --no-index --no-deps --target "$site" "$wheel" ||
        "$python" -m zipfile -e "$wheel" "$site"
done
# the core under the name that scripts import
ln -sfn "$PWD/core" "$site/vramwise"
export PYTHONPATH="$PWD/$site:$PWD${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
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
# seconds until nothing more may be begun
left() {
    echo $((minutes * 60 - ($(date +%s) - begun)))
}
last=$begun
part "wheels"
[ -n "$pretend" ] || "$python" -c 'import torch; print(torch.__version__, torch.cuda.get_device_name(0))' || exit 1
# a part of it on a pretend card; once whole it is not asked for again
if [ -n "$pretend" ]; then
    set -- -p devtools.pretend_card.in_tests -k "qwen3_vl-bf16 and gives or plan_of_the_gpu"
else
    set --
fi
most=$(($(left) - 60 > 420 ? 420 : $(left) - 60))
if [ ! -e "$keep/gpu_matrix.done" ] && [ "$most" -gt 30 ]; then
    echo "== the matrix (at most $most s)"
    VRAMWISE_GPU_REPORT="$out/gpu.json" timeout -k 10 "$most" "$python" -m pytest tests/gpu -m gpu -q "$@" \
        --durations=5 --junitxml "$out/gpu_matrix.xml" 2>&1 | tee "$out/gpu_matrix.txt" | tail -40
    [ "${PIPESTATUS[0]}" -gt 1 ] || touch "$keep/gpu_matrix.done"
    [ "$out" = "$keep" ] || cp -f "$out"/gpu.json "$out"/gpu_matrix.* "$keep/" 2>/dev/null
    part "matrix"
fi
# What breaks the process or the card's context costs its own part: a new process goes on with the next.
code=1
attempt=0
while [ "$code" -ne 0 ] && [ "$attempt" -lt 12 ] && { [ -n "$pretend" ] || [ "$(left)" -gt 30 ]; }; do
    attempt=$((attempt + 1))
    seconds=$([ -n "$pretend" ] && echo "$((60 * ${MINUTES:-5}))" || left)
    echo "== full-size models ($seconds s)"
    "$python" benchmarks/run.py gpu $pretend ${MODELS:-} --resume --minutes "$((seconds / 60)).$((seconds % 60 * 10 / 60))" \
        --out "$out/gpu_session.json" --keep "$keep/gpu_session.json" 2>&1 | tee -a "$out/gpu_bench.txt"
    code=${PIPESTATUS[0]}
done
part "models"
"$python" -c 'import json, sys; found = json.load(open(sys.argv[1])); print(len(found["rows"]), "rows,", len(found["failed"]), "failed, finished:", found["finished"])' "$out/gpu_session.json"
