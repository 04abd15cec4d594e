#!/usr/bin/env bash
# Measures this package on one GPU, in under eight minutes and without a network connection:
#
#     bash gpu.sh FOLDER RESULTS [--small] [networks] [photographs] [crops] [training] [report]
#
# FOLDER is one that gpu_pack.py filled; it has a copy of this script. Rows appear as they are measured, and
# in RESULTS/rows.jsonl; what programs say besides is in RESULTS/log.txt. Without names of parts, all run but
# training, which gets all of the time if it runs alone, and all of them with --small.
# --small takes the same way on a CPU with little of everything: it shows that all works, not how fast it is.
# Each contender is a process with a deadline: one that fails or runs out of memory loses its own rows only.
# LIMIT, the seconds in all, WORKERS, how many compile at once, and PYTHON may be set.
set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
mkdir -p "$2"
results=$(cd "$2" && pwd)
shift 2
small=()
if [ "${1:-}" = --small ]; then small=(--small) && shift; fi
if [ $# -eq 0 ]; then
    set -- networks photographs crops ${small[@]+training} report
fi
parts=" $* "
python=${PYTHON:-python3}

if [ ${#small[@]} -gt 0 ]; then
    limit=${LIMIT:-99999} workers=${WORKERS:-1} deadline=600 each=600
    networks=(lightweight) dtypes=(float32)
    # Compiling for a CPU takes most of the time, and threads that wait for each other the rest.
    export CUDA_VISIBLE_DEVICES='' JAX_PLATFORMS=cpu OMP_NUM_THREADS=1
    export XLA_FLAGS=--xla_backend_optimization_level=0
else
    limit=${LIMIT:-470} deadline=150 each=60
    # A step of openpose("vgg19") with a batch of 64 takes up to 30 GiB.
    memory=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits | head -n 1)
    workers=${WORKERS:-$((${memory:-80000} / 25000))}
    networks=(own vgg19 lightweight resnet50) dtypes=(bfloat16 float32)
fi
export GPU_RESULTS=$results/rows.jsonl PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=2
# Several processes share the card's memory.
export XLA_PYTHON_CLIENT_PREALLOCATE=false

if compgen -G "$folder/wheels/*.whl" >/dev/null; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$folder"/wheels/*.whl \
        >>"$results/log.txt" 2>&1 || { tail -3 "$results/log.txt"; exit 1; }
    export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
fi

lost() { # what, why
    echo "{\"part\": \"lost\", \"job\": \"$1\", \"error\": \"$2\"}" | tee -a "$GPU_RESULTS"
}

run() { # most seconds, seconds to leave for others, backend, script, arguments
    local most=$1 left=$((limit - $2 - SECONDS)) backend=$3 script=$4
    shift 4
    if ((left < most)); then most=$left; fi
    if ((most < 15)); then lost "$backend $script $*" "no time left" && return; fi
    KERAS_BACKEND=$backend timeout -k 5 "$most" "$python" "$here/$script" "$@" ${small[@]+"${small[@]}"} \
        2>>"$results/log.txt" || lost "$backend $script $*" "exit $? after at most $most s"
}

network() { # network, contender, dtype
    local backend=torch
    if [ "$2" = keras-jax ]; then backend=jax; fi
    run "$deadline" "$reserve" "$backend" gpu.py network "$@"
}

compare() { # dtype, networks
    local dtype=$1 name contender
    shift
    for name in "$@"; do
        for contender in torch keras-jax keras-torch; do
            # So many compile at the same time; each waits until it has the card alone to measure.
            while (($(jobs -rp | wc -l) >= workers)); do wait -n; done
            network "$name" "$contender" "$dtype" &
        done
    done
}

has() { [[ $parts = *" $1 "* ]]; }

if has networks; then
    reserve=0 # seconds for what comes after
    if has photographs; then reserve=$((reserve + 2 * each)); fi
    if has crops; then reserve=$((reserve + 2 * each)); fi
    for dtype in "${dtypes[@]}"; do compare "$dtype" "${networks[@]}"; done
    network "${networks[0]}" keras-torch-compiled "${dtypes[0]}" &
    wait
fi
if has photographs; then
    for backend in jax torch; do run "$each" 0 "$backend" gpu.py photographs "$folder"; done
fi
if has crops; then
    for backend in jax torch; do run "$each" 0 "$backend" gpu_training.py crops "$folder"; done
fi
if has training; then
    seconds=1 # of training; on a GPU, all but those in which it starts and compiles
    if [ ${#small[@]} -eq 0 ]; then seconds=$((limit - SECONDS - 60)); fi
    run "$limit" 0 jax gpu_training.py train "$folder" "$results/trained.weights.h5" --seconds "$seconds"
fi
if has report; then
    KERAS_BACKEND=torch "$python" "$here/gpu.py" report "$GPU_RESULTS" 2>>"$results/log.txt" |
        tee "$results/report.md"
fi
