// App Service Authentication: the platform checks tokens and says who is calling, the app says who may.
//
// AllowAnonymous, because the routes of sources have the plan in the middle
// (/api/v1/plans/{plan}/alerts/{source}) while an excluded path is documented with its `*` at the end only:
// `/api/v1/plans/*` would exclude the routes of people too, and how a `*` in the middle is read is not
// documented. A call without a token therefore reaches the app, where every route of people asks for a
// role and answers 401 without one. Because the platform still sees those calls, it still strips a
// principal header that comes from outside; excluded paths are only for routes that never read it.
param siteName string
param entraClientId string
param excludedPaths array

resource site 'Microsoft.Web/sites@2024-04-01' existing = {
  name: siteName
}

resource signIn 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
      excludedPaths: excludedPaths
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: entraClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            entraClientId
            'api://${entraClientId}'
          ]
        }
      }
    }
    login: {
      // The platform maps claims, the app roles among them, only with the token store on.
      tokenStore: {
        enabled: true
      }
    }
  }
}
