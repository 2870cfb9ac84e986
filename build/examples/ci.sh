#!/bin/bash
# A continuous integration server in 50 lines: builds each new head of a branch of a
# mounted data store, and leaves what came of it on the branch PIPELINE-of-COMMIT.
# usage: ci.sh MOUNT BRANCH PIPELINE STEP...      each STEP is a line of shell
# (Live files are read as descriptor 3: programs that seek in their input would wait.)
set -m -o pipefail
db=$(realpath "$1") branch=$2 name=$3; shift 3
work=$(mktemp -d) server=
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
now() { date -u +%FT%T.%NZ; }

run() { # COMMIT TRIGGER STEP...
	local commit=$1 trigger=$2 result=$db/branch/$name-of-$1 started t job state=passed; shift 2
	mkdir -p "$result"; t=$result/transactions/begin; mkdir "$t" || return
	started=$(now)
	facts() { # STATE OFFER
		printf '%s\n' "pipeline $name" "source $commit" "state $1" "started $started" "branch $branch" \
			"trigger $trigger" "runner $(id -un) ci.sh[$$]" "offer $2"
	}
	[ "$(cat "$result/head")" ] || echo "$commit" >"$t/merge"
	rm -rf "$t"/rw/{log,artefacts,.request}
	facts running cancel >"$t/rw/.run"
	echo "Begin $name" >"$t/msg"; echo commit >"$t/ctl" || return
	t=$result/transactions/run; mkdir "$t" || return
	: >"$work/$commit.steps"
	(cd "$t/rw" && for step; do
		from=$(now) end=passed; bash -ec "$step" || end=failed
		echo "step $end $from $(now) ${step//$'\n'/ }" >>"$work/$commit.steps"
		[ $end = passed ] || exit 1
	done 2>&1 | tee log) & job=$!
	echo $job >"$work/$commit.job"
	wait $job || state=failed
	grep -qs ^cancel "$result/ro/.request" && state=cancelled
	{ facts $state rerun; echo "ended $(now)"; cat "$work/$commit.steps"; } >"$t/rw/.run"
	echo $state >"$t/msg"; echo commit >"$t/ctl" || echo close >"$t/ctl"
}

serve() { # COMMIT STEP...: does what is asked of the newest run, see .request
	set -m; { read -r <&3; while read -r <&3; do
		read -r what _ 2>/dev/null <"$db/branch/$name-of-$1/ro/.request" || continue
		case $what in cancel) kill -- "-$(cat "$work/$1.job")" ;; rerun) run "$1" rerun "${@:2}" & ;; esac
	done; } 3<"$db/branch/$name-of-$1/watch/.request.node/tree.live"
}

mkdir -p "$db/branch/$branch"; for t in "$db/branch/$name-of-"*/transactions/{begin,run}; do [ -d "$t" ] && echo close >"$t/ctl"; done
while read -r head <&3; do
	[ "$head" ] && ! grep -qsE '^state (passed|failed|cancelled)' "$db/branch/$name-of-$head/ro/.run" || continue
	mkdir -p "$db/branch/$name-of-$head"; [ "$server" ] && kill -- "-$server"; serve "$head" "$@" & server=$!; run "$head" commit "$@"
done 3<"$db/branch/$branch/head.live"
