#!/bin/bash
# The model of the queue holds, and without the check of epochs it does not.
set -u
model=$PWD/services/events/queue.pml
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/queue_model.XXXXXX")
cd "$work" || exit 1
failed=0

# check CLAIM WANTED_ERRORS [spin's flags]
check() {
    local claim=$1 wanted=$2
    shift 2
    spin -a "$@" "$model" >spin.out 2>&1 || { cat spin.out; exit 1; }
    gcc -O1 -w -DSAFETY -DNOREDUCE -o pan pan.c || exit 1
    ./pan -m100000 -N "$claim" >pan.out
    local errors
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.out)
    if grep -q 'max search depth too small' pan.out || [ -z "$errors" ] ||
        { [ "$wanted" = none ] && [ "$errors" != 0 ]; } ||
        { [ "$wanted" = some ] && [ "$errors" = 0 ]; }; then
        echo "queue.pml $*: $claim: ${errors:-no} errors, $wanted wanted"
        cat pan.out
        failed=1
    else
        echo "$claim $*: $errors errors, $(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' pan.out) states"
    fi
}

for claim in settled_once current_lease_decides counted bounded; do
    check "$claim" none
done
check current_lease_decides some -DNO_EPOCH
exit $failed
