#!/usr/bin/env bash
# Deploys both functions to Cloud Run, with what they need around them. Run it again after every change: what is there
# already is kept or brought up to date. Settings and secrets are read from .env; every setting named there is deployed.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
deploy/cloud_run.sh --region REGION [options]

  --region REGION       where both functions run: that of the Supabase project, or the nearest
  --project PROJECT     the Google Cloud project (default: GOOGLE_CLOUD_PROJECT of .env)
  --env-file FILE       the settings (default: .env; .env.example lists them)
  --sweep scheduler     Cloud Scheduler calls the scheduled function every minute (default)
  --sweep pg_cron       the database calls it every ten seconds, for five; prints the command that sets it up
  --base-image IMAGE    python313 (default) or python314
  --concurrency N       requests that one instance takes at the same time (default: 200)
  --min-instances N     instances kept warm (default: 0)
  --max-instances N     at most so many (default: 10)
  --cpu-always          the CPU stays when no request is open: a turn whose reader left goes on at once
  --dry-run             print every command, run none; nothing is taken to exist yet
TEXT
}

fail() { echo "deploy/cloud_run.sh: $*" >&2; exit 1; }

name=multi-agent-chat sweep_name=multi-agent-chat-sweep
region='' project='' env_file=.env sweep=scheduler base_image=python313
concurrency=200 min_instances=0 max_instances=10 cpu=--cpu-throttling dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --dry-run) dry_run=yes; shift; continue ;;
    --cpu-always) cpu=--no-cpu-throttling; shift; continue ;;
  esac
  [ $# -gt 1 ] || fail "$1 needs a value, or is unknown (--help lists the options)"
  case $1 in
    --region) region=$2 ;;
    --project) project=$2 ;;
    --env-file) env_file=$2 ;;
    --sweep) sweep=$2 ;;
    --base-image) base_image=$2 ;;
    --concurrency) concurrency=$2 ;;
    --min-instances) min_instances=$2 ;;
    --max-instances) max_instances=$2 ;;
    *) fail "$1 is unknown (--help lists the options)" ;;
  esac
  shift 2
done

# The value of a setting in the file; empty where it is not set.
setting() {
  sed -n "s/^[[:space:]]*$1=//p" "$env_file" | tail -n 1 | tr -d '\r' | sed -e 's/[[:space:]]*$//' \
    -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/"
}

# --- What is asked for has to make sense before anything is touched.
[ -f "$env_file" ] || fail "there is no $env_file: copy .env.example and fill it in"
[ -n "$project" ] || project=$(setting GOOGLE_CLOUD_PROJECT)
[ -n "$project" ] || fail "name the Google Cloud project: --project, or GOOGLE_CLOUD_PROJECT in $env_file"
[ -n "$region" ] || fail "name the region: --region europe-west1, for example"
case $sweep in scheduler | pg_cron) ;; *) fail "--sweep is scheduler or pg_cron" ;; esac
[ -n "$dry_run" ] || command -v gcloud >/dev/null || fail "gcloud is not installed"
[ -n "$(setting SUPABASE_URL)" ] || fail "SUPABASE_URL is not set in $env_file"

secrets="OPENAI_API_KEY SUPABASE_SECRET_KEY SUPABASE_JWT_SECRET WEBHOOK_SECRET OPENAI_WEBHOOK_SECRET MAINTENANCE_SECRET"
is_secret() { case " $secrets " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# gcloud splits at commas, and origins are separated by them: ^|^ makes | the separator. The server keeps a control
# socket in XDG_RUNTIME_DIR, by default in a home that it may not write to.
variables='^|^'"GOOGLE_CLOUD_PROJECT=$project|XDG_RUNTIME_DIR=/tmp"
while read -r each; do
  value=$(setting "$each")
  if [ -z "$value" ] || [ "$each" = GOOGLE_CLOUD_PROJECT ] || is_secret "$each"; then continue; fi
  case $value in *'|'*) fail "$each holds a |, which separates settings" ;; esac
  variables="$variables|$each=$value"
done < <(sed -n 's/^\([A-Z0-9_]*\)=.*/\1/p' .env.example)

# The platform's limit has to lie behind the function's own.
wait_budget=$(setting WAIT_BUDGET_SECONDS)
timeout=$((${wait_budget%%.*} + 60)) 2>/dev/null || timeout=300
[ "$timeout" -ge 300 ] || timeout=300

# --- Running, or only printing.
run() {
  if [ -n "$dry_run" ]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}
exists() { [ -z "$dry_run" ] && "$@" >/dev/null 2>&1; }

# A new service account is not known everywhere at once.
run_patiently() {
  local pause
  for pause in 2 4 8 16; do
    if run "$@" >/dev/null 2>&1; then
      [ -z "$dry_run" ] || run "$@"
      return
    fi
    sleep "${RETRY_SECONDS:-$pause}"
  done
  run "$@"
}

in_project=(--project "$project")
account="$name@$project.iam.gserviceaccount.com"

# --- What both functions stand on.
run gcloud services enable run.googleapis.com cloudbuild.googleapis.com artifactregistry.googleapis.com \
  secretmanager.googleapis.com cloudscheduler.googleapis.com "${in_project[@]}"

number=PROJECT_NUMBER
[ -n "$dry_run" ] || number=$(gcloud projects describe "$project" --format 'value(projectNumber)')
run gcloud projects add-iam-policy-binding "$project" --condition None --role roles/run.builder \
  --member "serviceAccount:$number-compute@developer.gserviceaccount.com" --format none

if ! exists gcloud iam service-accounts describe "$account" "${in_project[@]}"; then
  run gcloud iam service-accounts create "$name" --display-name "$name" "${in_project[@]}"
fi

# --- Secrets: a new version only where the value is another one. Values travel through standard input, never as words
# of a command, which every process of the machine could read.
secret_name() { echo "$name-$(echo "$1" | tr '[:upper:]_' '[:lower:]-')"; }
latest() { [ -n "$dry_run" ] || gcloud secrets versions access latest --secret "$1" "${in_project[@]}" 2>/dev/null || true; }

chat_secrets='' sweep_secrets=''
for each in $secrets; do
  value=$(setting "$each")
  stored=$(secret_name "$each")
  held=$(latest "$stored")
  if [ -z "$value$held" ] && [ "$each" = MAINTENANCE_SECRET ]; then
    value=$(head -c 32 /dev/urandom | base64 | tr -d '=+/\n')
  fi
  if [ -z "$value$held" ]; then
    case $each in OPENAI_API_KEY | SUPABASE_SECRET_KEY) fail "$each is not set in $env_file, and there is no secret $stored" ;; esac
    continue
  fi
  if [ -z "$held" ] && ! exists gcloud secrets describe "$stored" "${in_project[@]}"; then
    run gcloud secrets create "$stored" --replication-policy automatic "${in_project[@]}"
  fi
  if [ -n "$value" ] && [ "$value" != "$held" ]; then
    run gcloud secrets versions add "$stored" --data-file - "${in_project[@]}" < <(printf %s "$value")
  fi
  run_patiently gcloud secrets add-iam-policy-binding "$stored" --role roles/secretmanager.secretAccessor \
    --member "serviceAccount:$account" --format none "${in_project[@]}"
  sweep_secrets="$sweep_secrets,$each=$stored:latest"
  [ "$each" = MAINTENANCE_SECRET ] || chat_secrets="$chat_secrets,$each=$stored:latest"
done

# --- Both functions out of one upload. They verify their callers by themselves, hence --allow-unauthenticated.
deploy() {
  local service=$1 target=$2
  shift 2
  run gcloud run deploy "$service" --source . --function "$target" --base-image "$base_image" \
    --set-build-env-vars GOOGLE_FUNCTION_SOURCE=main.py --allow-unauthenticated --service-account "$account" \
    --cpu 1 --memory 512Mi --cpu-boost --region "$region" "${in_project[@]}" --quiet "$@"
}
address() {
  if [ -n "$dry_run" ]; then
    echo "https://URL-OF-$1"
  else
    gcloud run services describe "$1" --region "$region" "${in_project[@]}" --format 'value(status.url)'
  fi
}

deploy "$name" multi_agent_chat --concurrency "$concurrency" --timeout "$timeout" "$cpu" \
  --min-instances "$min_instances" --max-instances "$max_instances" \
  --set-env-vars "$variables" --set-secrets "${chat_secrets#,}"

sweep_variables=$variables
[ "$sweep" = scheduler ] || sweep_variables="$(printf %s "$variables" | sed 's/|SWEEP_SECONDS=[^|]*//')|SWEEP_SECONDS=5"
deploy "$sweep_name" maintenance --concurrency 4 --timeout 60 --cpu-throttling --min-instances 0 --max-instances 2 \
  --set-env-vars "$sweep_variables" --set-secrets "${sweep_secrets#,}"

# --- What calls the scheduled function.
sweep_url=$(address "$sweep_name")
secret=$(latest "$(secret_name MAINTENANCE_SECRET)")
if [ "$sweep" = scheduler ]; then
  flags=$(mktemp)
  trap 'rm -f "$flags"' EXIT
  if exists gcloud scheduler jobs describe "$sweep_name" --location "$region" "${in_project[@]}"; then
    verb=update headers=--update-headers
  else
    verb=create headers=--headers
  fi
  printf '%s:\n  Authorization: Bearer %s\n' "$headers" "$secret" >"$flags"
  run gcloud scheduler jobs "$verb" http "$sweep_name" --schedule '* * * * *' --uri "$sweep_url/" --http-method POST \
    --attempt-deadline 60s --max-retry-attempts 0 --location "$region" "${in_project[@]}" --flags-file "$flags"
else
  echo "Let the database call it, with its connection string in DATABASE_URL:"
  echo "  gcloud secrets versions access latest --secret $(secret_name MAINTENANCE_SECRET) --project $project |" \
    "psql \"\$DATABASE_URL\" -v url=$sweep_url/ -f deploy/pg_cron.sql"
fi

url=$(address "$name")
origin=$(setting ALLOWED_ORIGINS)
echo "The function is $url"
echo "Check it with a user's token in USER_TOKEN: python -m dev.check $url --origin ${origin%%,*}"
