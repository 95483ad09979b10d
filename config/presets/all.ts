import { awsSts } from './aws-sts.ts';
import { azureDevops } from './azure-devops.ts';
import { bitbucket } from './bitbucket.ts';
import { buddy } from './buddy.ts';
import { buildkite } from './buildkite.ts';
import { circleci } from './circleci.ts';
import { codefresh } from './codefresh.ts';
import { entra } from './entra.ts';
import { forgejo } from './forgejo.ts';
import { githubEnterprise } from './github-enterprise.ts';
import { github } from './github.ts';
import { gitlab, gitlabSelfHosted } from './gitlab.ts';
import { google } from './google.ts';
import { jenkins } from './jenkins.ts';
import { keycloak } from './keycloak.ts';
import { aks, eks, gke, kubernetes } from './kubernetes.ts';
import { okta } from './okta.ts';
import type { Preset } from './preset.ts';
import { spire } from './spire.ts';

/** Every provider that there is a preset for: CI systems, then people, then clusters and clouds. */
export const PRESETS: readonly Preset[] = [
  ...[github, githubEnterprise, gitlab, gitlabSelfHosted, circleci, buildkite, codefresh, buddy, bitbucket],
  ...[forgejo, jenkins, azureDevops],
  ...[google, entra, okta, keycloak],
  ...[kubernetes, eks, gke, aks, awsSts, spire],
];
