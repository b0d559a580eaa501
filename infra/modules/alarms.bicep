// Who watches the watcher: mail, by a way that does not lead through Tocsin.
param location string
param tags object
param email string
param workspaceId string

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-tocsin-operators'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'tocsin'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// Every sweep logs one line that begins with `swept`. Nothing at all must raise the alarm too: the
// summary makes a row with 0 where there are no lines.
resource sweeperSilent 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = {
  name: 'tocsin-sweeper-silent'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Tocsin: the sweeper has been silent for 10 minutes'
    description: 'No deadline is being looked at: escalations are late. See GET /api/v1/status and docs/deploy.md.'
    severity: 0
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT10M'
    autoMitigate: true
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'AppTraces | where Message startswith "swept" | summarize sweeps = count()'
          metricMeasureColumn: 'sweeps'
          timeAggregation: 'Total'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        operators.id
      ]
    }
  }
}

resource exceptions 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = {
  name: 'tocsin-exceptions'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Tocsin: the app raised an exception'
    description: 'An exception that nothing in Tocsin expects; the exception and its trace are in Application Insights.'
    severity: 1
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    autoMitigate: true
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'AppExceptions | summarize exceptions = count()'
          metricMeasureColumn: 'exceptions'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        operators.id
      ]
    }
  }
}
