// Everything Tocsin needs in one subscription: a resource group, and in it the app, its two storage
// accounts, its vault, its telemetry and the roles that tie them together. `docs/deploy.md` tells the why.
targetScope = 'subscription'

@description('Name of this deployment (production, rehearsal); the names of all resources derive from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Azure region; it must offer the Flex Consumption plan.')
param location string

@description('Where people reach Tocsin, without a slash at the end; empty for the address Azure gives the app.')
param publicUrl string = ''

@description('Client id of the Entra app registration people sign in with; empty turns sign-in off, and every route of people answers 401.')
param entraClientId string = ''

@description('Public paths that sign-in leaves alone: exact, or with one `*` at the very end. None may cover a route of people.')
param excludedPaths array = [
  '/api/v1/health/*'
  '/api/v1/status'
  '/status/*'
  '/a/*'
  '/e/*'
  '/api/v1/chat/*'
  '/api/v1/keys'
]

@description('Address told when the sweeper is silent or the app raises; empty for no alarms.')
param alertEmail string = ''

@description('Revision that is deployed; it is written into every export.')
param codeVersion string = ''

@description('Who deploys: name or address of a person; on record, as a pseudonym, for what changed in a plan.')
param deployedBy string = ''

@description('When due deadlines are looked for (NCRONTAB, six fields, UTC).')
param escalationSchedule string = '0 * * * * *'

@description('When finished weeks are looked for and compiled (NCRONTAB, six fields, UTC).')
param exportSchedule string = '0 20 * * * *'

@description('When each night is checked for drift (NCRONTAB, six fields, UTC).')
param driftSchedule string = '0 40 3 * * *'

@description('When each night is purged what was kept long enough (NCRONTAB, six fields, UTC).')
param purgeSchedule string = '0 40 2 * * *'

@description('Name of the vault secret that keys the HMAC of identities.')
param peopleKeySecretName string = 'people-key'

@description('Name of the key in the vault that signs exports.')
param signingKeyName string = 'export-signing'

@description('Name of the key in the vault that wraps the keys of stored names and texts.')
param wrappingKeyName string = 'texts-wrapping'

@description('Instances kept warm for webhooks and people; 0 saves their cost and lets senders meet cold starts.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttp int = 1

@description('The most instances that the app may scale out to.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Redundancy of both storage accounts; a region without availability zones needs LRS or GRS.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param storageRedundancy string = 'Standard_ZRS'

@description('Days that nobody can change or delete an export; 2555 is seven years.')
@minValue(1)
@maxValue(146000)
param exportRetentionDays int = 2555

@description('Set it once the policy on exports has been locked: Azure then takes no further change, not even the same.')
param exportsLocked bool = false

@description('Days after which an export moves from the cool to the cold tier.')
@minValue(31)
param exportColdAfterDays int = 180

@description('Whether exports are deleted once nothing protects them any more, a month after their retention ends.')
param exportsDeletedAfterRetention bool = false

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

var token = toLower(uniqueString(subscription().id, environmentName, location))
var siteName = 'func-tocsin-${token}'
var tags = {
  'azd-env-name': environmentName
}

resource group 'Microsoft.Resources/resourceGroups@2021-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity './modules/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-tocsin-${token}'
    location: location
    tags: tags
  }
}

module monitoring './modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-tocsin-${token}'
    componentName: 'appi-tocsin-${token}'
    location: location
    tags: tags
    retentionDays: logRetentionDays
  }
}

module hostStorage './modules/host-storage.bicep' = {
  name: 'host-storage'
  scope: group
  params: {
    name: 'sthost${token}'
    location: location
    tags: tags
    redundancy: storageRedundancy
    workspaceId: monitoring.outputs.workspaceId
  }
}

module dataStorage './modules/data-storage.bicep' = {
  name: 'data-storage'
  scope: group
  params: {
    name: 'stdata${token}'
    location: location
    tags: tags
    redundancy: storageRedundancy
    exportRetentionDays: exportRetentionDays
    exportsLocked: exportsLocked
    exportColdAfterDays: exportColdAfterDays
    exportsDeletedAfterRetention: exportsDeletedAfterRetention
    workspaceId: monitoring.outputs.workspaceId
  }
}

module vault './modules/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    name: 'kv-tocsin-${token}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    signingKeyName: signingKeyName
    wrappingKeyName: wrappingKeyName
  }
}

module roles './modules/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    principalId: identity.outputs.principalId
    hostAccountName: hostStorage.outputs.name
    dataAccountName: dataStorage.outputs.name
    vaultName: vault.outputs.name
    componentName: monitoring.outputs.componentName
  }
}

module app './modules/function-app.bicep' = {
  name: 'function-app'
  scope: group
  // An app that starts before its roles hold cannot read its package nor take its timers' locks.
  dependsOn: [
    roles
  ]
  params: {
    siteName: siteName
    planName: 'plan-tocsin-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostAccountName: hostStorage.outputs.name
    packageContainer: hostStorage.outputs.packageContainer
    dataAccountName: dataStorage.outputs.name
    vaultName: vault.outputs.name
    componentName: monitoring.outputs.componentName
    workspaceId: monitoring.outputs.workspaceId
    publicUrl: empty(publicUrl) ? 'https://${siteName}.azurewebsites.net' : publicUrl
    codeVersion: codeVersion
    deployedBy: deployedBy
    escalationSchedule: escalationSchedule
    exportSchedule: exportSchedule
    driftSchedule: driftSchedule
    purgeSchedule: purgeSchedule
    peopleKeySecretName: peopleKeySecretName
    signingKeyName: signingKeyName
    wrappingKeyName: wrappingKeyName
    alwaysReadyHttp: alwaysReadyHttp
    maximumInstanceCount: maximumInstanceCount
  }
}

module signIn './modules/sign-in.bicep' = if (!empty(entraClientId)) {
  name: 'sign-in'
  scope: group
  params: {
    siteName: app.outputs.name
    entraClientId: entraClientId
    excludedPaths: excludedPaths
  }
}

module alarms './modules/alarms.bicep' = if (!empty(alertEmail)) {
  name: 'alarms'
  scope: group
  params: {
    location: location
    tags: tags
    email: alertEmail
    workspaceId: monitoring.outputs.workspaceId
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_KEY_VAULT_NAME string = vault.outputs.name
output SERVICE_TOCSIN_NAME string = app.outputs.name
output SERVICE_TOCSIN_URI string = app.outputs.uri
