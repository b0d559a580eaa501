// The evidence: incidents and their timelines in tables, the queue that makes them punctual, and the
// exports in a container where nothing can be changed or deleted before its time.
param name string
param location string
param tags object
param redundancy string
param exportRetentionDays int
param exportsLocked bool
param exportColdAfterDays int
param exportsDeletedAfterRetention bool
param workspaceId string

var tableNames = [
  'Agenda'
  'Incidents'
  'Index'
  'Journal'
  'People'
  'Rules'
]
var queueNames = [
  'advance'
  'advance-poison'
]
var exportContainerName = 'exports'
// A month later than immutability allows: a deletion that comes too early is refused, and tried each day.
var deletion = exportsDeletedAfterRetention ? {
  delete: {
    daysAfterCreationGreaterThan: exportRetentionDays + 30
  }
} : {}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = [for table in tableNames: {
  parent: tableService
  name: table
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [for queue in queueNames: {
  parent: queueService
  name: queue
}]

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: 30
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 30
    }
  }
}

resource exports 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobService
  name: exportContainerName
  properties: {
    publicAccess: 'None'
  }
}

// On the container, so that it covers every blob whatever wrote it, provisional bundles and signatures too.
// A policy for each version would protect what is overwritten; here nothing can be, as one name is written
// once. Made unlocked: whoever may change the account can still shorten it. Locking it is a person's decision,
// cannot be undone, and stands in docs/deploy.md.
resource exportsImmutable 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2023-05-01' = if (!exportsLocked) {
  parent: exports
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: exportRetentionDays
    allowProtectedAppendWrites: false
  }
}

// Cold rather than archive: an auditor waits milliseconds for a bundle, not hours.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  dependsOn: [
    exports
  ]
  properties: {
    policy: {
      rules: [
        {
          name: 'exports-cool-then-cold'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${exportContainerName}/'
              ]
            }
            actions: {
              baseBlob: union({
                tierToCool: {
                  daysAfterModificationGreaterThan: 30
                }
                tierToCold: {
                  daysAfterModificationGreaterThan: exportColdAfterDays
                }
              }, deletion)
              version: union({
                tierToCold: {
                  daysAfterCreationGreaterThan: exportColdAfterDays
                }
              }, deletion)
            }
          }
        }
      ]
    }
  }
}

// Who read, wrote or deleted an export is part of the audit.
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: blobService
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

// Of tables and queues only deletions: a line for each read and write would double the cost of an alert.
resource tableDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: tableService
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: queueService
  properties: {
    workspaceId: workspaceId
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

output name string = account.name
