// All of provd's alerts, rules and boards as a monitoring mixin. The plain files stand on their own; this imports them.
{
  _config:: {
    provdSelector: 'job="provd"',  // the scrape's job; the next three are those of the other processes
    gatewaySelector: 'job="provd-gateway"',
    moverSelector: 'job="provd-mover"',
    collectorSelector: 'job="provd-collector"',
    docsUrl: '',  // where docs/ is published, with a slash at its end: put before each runbook_url
    grafanaTags: ['provd'],
  },

  local config = self._config,
  local selectors = {
    'job="provd"': config.provdSelector,
    'job="provd-gateway"': config.gatewaySelector,
    'job="provd-mover"': config.moverSelector,
    'job="provd-collector"': config.collectorSelector,
  },
  local configured(text) = std.parseYaml(std.foldl(
    function(made, plain) std.strReplace(made, plain, selectors[plain]), std.objectFields(selectors), text
  )),
  local located(rule) = rule { annotations+: { runbook_url: config.docsUrl + super.runbook_url } },

  grafanaDashboards:: {
    [name]: std.parseJson(std.foldl(
      function(made, plain) std.strReplace(made, inJson(plain), inJson(selectors[plain])),
      std.objectFields(selectors), files[name]
    )) { tags: config.grafanaTags }
    for name in std.objectFields(files)
  },
  local inJson(text) = std.strReplace(text, '"', '\\"'),
  local files = {
    'data.json': importstr 'grafana/data.json',
    'jobs.json': importstr 'grafana/jobs.json',
    'chain-and-money.json': importstr 'grafana/chain-and-money.json',
    'slurm-and-ssh.json': importstr 'grafana/slurm-and-ssh.json',
  },

  prometheusAlerts:: {
    groups: [
      group { rules: [located(rule) for rule in group.rules] }
      for group in configured(importstr 'prometheus/alerts.yaml').groups
    ],
  },

  prometheusRules:: configured(importstr 'prometheus/rules.yaml'),
}
