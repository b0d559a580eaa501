// The app on a Flex Consumption plan: how it is deployed, scaled and told where things are.
param siteName string
param planName string
param location string
param tags object
param identityId string
param identityClientId string
param hostAccountName string
param packageContainer string
param dataAccountName string
param vaultName string
param componentName string
param workspaceId string
param publicUrl string
param codeVersion string
param deployedBy string
param escalationSchedule string
param exportSchedule string
param driftSchedule string
param purgeSchedule string
param peopleKeySecretName string
param signingKeyName string
param wrappingKeyName string
param alwaysReadyHttp int
param maximumInstanceCount int

resource hostAccount 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: hostAccountName
}

resource dataAccount 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: dataAccountName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: siteName
  location: location
  tags: union(tags, {
    'azd-service-name': 'tocsin'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostAccount.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyHttp == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReadyHttp
          }
        ]
        triggers: {
          http: {
            perInstanceConcurrency: 16
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      appSettings: [
        {
          name: 'AzureWebJobsStorage__accountName'
          value: hostAccount.name
        }
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: identityClientId
        }
        {
          name: 'TOCSIN_STORAGE__tableServiceUri'
          value: dataAccount.properties.primaryEndpoints.table
        }
        {
          name: 'TOCSIN_STORAGE__queueServiceUri'
          value: dataAccount.properties.primaryEndpoints.queue
        }
        {
          name: 'TOCSIN_STORAGE__blobServiceUri'
          value: dataAccount.properties.primaryEndpoints.blob
        }
        {
          name: 'TOCSIN_STORAGE__credential'
          value: 'managedidentity'
        }
        {
          name: 'TOCSIN_STORAGE__clientId'
          value: identityClientId
        }
        {
          name: 'AZURE_CLIENT_ID'
          value: identityClientId
        }
        {
          name: 'KEY_VAULT_URI'
          value: vault.properties.vaultUri
        }
        {
          name: 'PEOPLE_KEY_SECRET'
          value: peopleKeySecretName
        }
        {
          name: 'SIGNING_KEY_NAME'
          value: signingKeyName
        }
        {
          name: 'WRAPPING_KEY_NAME'
          value: wrappingKeyName
        }
        {
          name: 'PLANS_DIR'
          value: 'plans'
        }
        {
          name: 'RUNBOOKS_DIR'
          value: 'runbooks'
        }
        {
          name: 'PUBLIC_URL'
          value: publicUrl
        }
        {
          name: 'ESCALATION_SCHEDULE'
          value: escalationSchedule
        }
        {
          name: 'EXPORT_SCHEDULE'
          value: exportSchedule
        }
        {
          name: 'DRIFT_SCHEDULE'
          value: driftSchedule
        }
        {
          name: 'PURGE_SCHEDULE'
          value: purgeSchedule
        }
        {
          name: 'CODE_VERSION'
          value: codeVersion
        }
        {
          name: 'DEPLOYED_BY'
          value: deployedBy
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: component.properties.ConnectionString
        }
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${identityClientId};Authorization=AAD'
        }
        {
          name: 'PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY'
          value: 'true'
        }
        // Their spans carry whole addresses, of which some are secrets and some name people.
        {
          name: 'OTEL_PYTHON_DISABLED_INSTRUMENTATIONS'
          value: 'azure_sdk,httpx,httpx2,requests,urllib,urllib3'
        }
        {
          name: 'PYTHON_THREADPOOL_THREAD_COUNT'
          value: '32'
        }
      ]
    }
  }
}

// Packages come in by Entra identity; user names and passwords for publishing stay off.
resource ftpCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: site
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

output name string = site.name
output uri string = publicUrl
