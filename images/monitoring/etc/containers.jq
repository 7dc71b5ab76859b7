# Figures of containers, in Prometheus' text format, from what Docker inspects (with Id) and counts (with id) of each,
# and from the images that are records of releases ($images).

def text: tostring | gsub("\\\\"; "\\\\") | gsub("\n"; " ") | gsub("\""; "\\\"");
def labels: to_entries | map("\(.key)=\"\(.value | text)\"") | join(",");
# One metric with its type, a line per sample; what has no value is left out.
def metric($name; $type): map(select(.value != null)) | if length == 0 then empty else
    "# TYPE \($name) \($type)", (.[] | "\($name){\(.labels | labels)} \(.value)") end;

def component: .inspected.Config.Labels["dev.monopco.component"] // "";
def who: {
    container: (.inspected.Name | ltrimstr("/")),
    component: component,
    release: (.inspected.Config.Labels["dev.monopco.release"] // "")
};
# What counts against the limit without what the kernel gives back when it is asked for.
def memory: .stats.memory_stats as $memory | if ($memory.usage // 0) == 0 then null else
    $memory.usage - ($memory.stats.inactive_file // $memory.stats.total_inactive_file // 0) end;
def health: .inspected.State as $state
    | if ($state.Running | not) then 0 elif ($state.Health.Status // "") == "unhealthy" then 0 else 1 end;

# A container that went away meanwhile has neither; one that is new may have no figures yet.
def pairs: (map(select(.id)) | INDEX(.id)) as $stats | map(select(.Id)) | map({inspected: ., stats: ($stats[.Id] // {})});

[pairs[] | select(component | IN("proof", "configure") | not)] | sort_by(.inspected.Name)
| (map({labels: who, value: (.inspected.RestartCount // 0)}) | metric("monopco_container_restarts_total"; "counter")),
  (map({labels: who, value: health}) | metric("monopco_container_healthy"; "gauge")),
  (map({labels: who, value: (if .inspected.State.OOMKilled then 1 else 0 end)})
    | metric("monopco_container_oom_killed"; "gauge")),
  (map({labels: who, value: (.inspected.HostConfig.Memory // 0)})
    | metric("monopco_container_memory_limit_bytes"; "gauge")),
  (map({labels: who, value: memory}) | metric("monopco_container_memory_bytes"; "gauge")),
  (map({labels: who, value: (.stats.cpu_stats.cpu_usage.total_usage // 0 | if . > 0 then . / 1e9 else null end)})
    | metric("monopco_container_cpu_seconds_total"; "counter")),
  ($images[0] | map(.Labels | {
      labels: {
        release: .["dev.monopco.release"],
        at: (.["dev.monopco.at"] // ""),
        commit: ((.["dev.monopco.commit"] // "")[0:12]),
        tag: (.["dev.monopco.tag"] // ""),
        description: (.["dev.monopco.description"] // "")
      },
      value: 1
    }) | metric("monopco_release_info"; "gauge"))
