// The providers' own libraries, called by libraries.go: it reads jobs from the file that the command line names and
// prints the answers of the libraries, both as JSON. A library that can sign signs; one that can verify says of each
// request whether it accepts it.
import { readFileSync } from 'node:fs'

import adyen from '@adyen/api-library'
import { Signature } from '@hubspot/api-client'
import { LinearWebhookClient } from '@linear/sdk/webhooks'
import * as octokit from '@octokit/webhooks-methods'
import { Paddle } from '@paddle/paddle-node-sdk'
import sendgrid from '@sendgrid/eventwebhook'
import '@shopify/shopify-api/adapters/node'
import { ApiVersion, LogSeverity, shopifyApi } from '@shopify/shopify-api'
import slack from '@slack/bolt'
import { verifyKey } from 'discord-interactions'
import Razorpay from 'razorpay'
import { WebhooksHelper } from 'square'
import * as standard from 'standardwebhooks'
import Stripe from 'stripe'
import * as svix from 'svix'
import twilio from 'twilio'

const seconds = ms => Math.floor(ms / 1000)
const stripe = new Stripe('sk_test_nothing')
const hmac = new adyen.hmacValidator()

// Each function returns the headers of a webhook, and its body if that contains the signature.
const sign = {
  'stripe': job => ({ headers: {
    'Stripe-Signature': stripe.webhooks.generateTestHeaderString({
      payload: job.body, secret: job.secret, timestamp: seconds(job.now),
    }),
  } }),
  'github': async job => ({ headers: { 'X-Hub-Signature-256': await octokit.sign(job.secret, job.body) } }),
  'svix': job => ({ headers: {
    'svix-id': job.id, 'svix-timestamp': `${seconds(job.now)}`,
    'svix-signature': new svix.Webhook(job.secret).sign(job.id, new Date(job.now), job.body),
  } }),
  'standard-webhooks': job => ({ headers: {
    'webhook-id': job.id, 'webhook-timestamp': `${seconds(job.now)}`,
    'webhook-signature': new standard.Webhook(job.secret).sign(job.id, new Date(job.now), job.body),
  } }),
  'twilio': job => {
    if (job.form) {
      const body = new URLSearchParams(job.form).toString()
      return { body, headers: {
        'Content-Type': 'application/x-www-form-urlencoded',
        'X-Twilio-Signature': twilio.getExpectedTwilioSignature(job.secret, job.url, job.form),
      } }
    }
    const query = `bodySHA256=${twilio.getExpectedBodyHash(job.body)}`
    const signature = twilio.getExpectedTwilioSignature(job.secret, `${job.url}?${query}`, {})
    return { query, headers: { 'X-Twilio-Signature': signature } }
  },
  'adyen': job => {
    const body = JSON.parse(job.body)
    const item = body.notificationItems[0].NotificationRequestItem
    item.additionalData.hmacSignature = hmac.calculateHmac(item, job.secret)
    return { body: JSON.stringify(body), headers: {} }
  },
  'adyen-platform': job => ({ headers: { 'HmacSignature': hmac.calculateHmacSignature(job.body, job.secret) } }),
  'hubspot': job => ({ headers: {
    'X-HubSpot-Request-Timestamp': `${job.now}`,
    'X-HubSpot-Signature-v3': Signature.getSignature('POST', 'v3', {
      clientSecret: job.secret, requestBody: job.body, url: job.url, timestamp: job.now,
    }),
  } }),
}
sign['gitlab-signing'] = sign['standard-webhooks']

const shopify = secret => shopifyApi({
  apiKey: 'key', apiSecretKey: secret, hostName: 'hooks.example',
  apiVersion: Object.values(ApiVersion)[0], isEmbeddedApp: false,
  logger: { level: LogSeverity.Error, log: () => {} },
})

// Each function returns whether the library accepts a request; an exception means that it does not.
const verify = {
  'stripe': r => !!stripe.webhooks.constructEvent(r.body, r.headers['stripe-signature'], r.secret),
  'github': r => octokit.verify(r.secret, r.body, r.headers['x-hub-signature-256']),
  'slack': r => {
    slack.verifySlackRequest({ signingSecret: r.secret, body: r.body, headers: r.headers })
    return true
  },
  'svix': r => !!new svix.Webhook(r.secret).verify(r.body, r.headers),
  'standard-webhooks': r => !!new standard.Webhook(r.secret).verify(r.body, r.headers),
  'gitlab-signing': r => !!new standard.Webhook(r.secret).verify(r.body, r.headers),
  'twilio': r => twilio.validateRequest(r.secret, r.headers['x-twilio-signature'], r.url,
    Object.fromEntries(new URLSearchParams(r.body))),
  'square': r => WebhooksHelper.verifySignature({
    requestBody: r.body, signatureHeader: r.headers['x-square-hmacsha256-signature'],
    signatureKey: r.secret, notificationUrl: r.url,
  }),
  'paddle': r => new Paddle('key').webhooks.isSignatureValid(r.body, r.secret, r.headers['paddle-signature']),
  'discord': r => verifyKey(r.body, r.headers['x-signature-ed25519'], r.headers['x-signature-timestamp'], r.secret),
  'sendgrid': r => {
    const e = new sendgrid.EventWebhook()
    const header = name => r.headers[`x-twilio-email-event-webhook-${name}`]
    return e.verifySignature(e.convertPublicKeyToECDSA(r.secret), r.body, header('signature'), header('timestamp'))
  },
  'adyen': r => hmac.validateHMAC(JSON.parse(r.body).notificationItems[0].NotificationRequestItem, r.secret),
  'adyen-platform': r => hmac.validateBankingHMAC(r.headers['hmacsignature'], r.secret, r.body),
  'razorpay': r => Razorpay.validateWebhookSignature(r.body, r.headers['x-razorpay-signature'], r.secret),
  'hubspot': r => Signature.isValid({
    signatureVersion: 'v3', signature: r.headers['x-hubspot-signature-v3'], method: 'POST', clientSecret: r.secret,
    requestBody: r.body, url: r.url, timestamp: Number(r.headers['x-hubspot-request-timestamp']),
  }),
  'linear': r => new LinearWebhookClient(r.secret).verify(Buffer.from(r.body), r.headers['linear-signature'],
    JSON.parse(r.body).webhookTimestamp),
  'shopify': async r => (await shopify(r.secret).webhooks.validate({
    rawBody: r.body, rawResponse: {},
    rawRequest: { method: 'POST', url: '/', headers: {
      ...r.headers, 'x-shopify-shop-domain': 'a.myshopify.com', 'x-shopify-api-version': '2025-01',
    } },
  })).valid,
}

const { signing, verifying } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const answers = { signed: [], verified: [] }
for (const job of signing) answers.signed.push(await sign[job.provider](job))
for (const request of verifying) {
  try {
    answers.verified.push(Boolean(await verify[request.provider](request)))
  } catch {
    answers.verified.push(false)
  }
}
answers.signs = Object.keys(sign)
answers.verifies = Object.keys(verify)
process.stdout.write(JSON.stringify(answers))
