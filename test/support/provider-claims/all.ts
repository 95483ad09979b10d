import { awsStsCases } from './aws-sts.ts';
import { azureDevopsCases } from './azure-devops.ts';
import { bitbucketCases } from './bitbucket.ts';
import { buddyCases } from './buddy.ts';
import { buildkiteCases } from './buildkite.ts';
import { circleciCases } from './circleci.ts';
import { codefreshCases } from './codefresh.ts';
import { forgejoCases } from './forgejo.ts';
import { githubCases } from './github.ts';
import { gitlabCases } from './gitlab.ts';
import { jenkinsCases } from './jenkins.ts';
import { peopleCases } from './people.ts';
import type { ProviderCase } from './provider-case.ts';
import { workloadCases } from './workloads.ts';

/** At least one for each preset. */
export const PROVIDER_CASES: readonly ProviderCase[] = [
  ...[...githubCases, ...gitlabCases, ...circleciCases, ...buildkiteCases, ...codefreshCases, ...buddyCases],
  ...[...bitbucketCases, ...forgejoCases, ...jenkinsCases, ...azureDevopsCases],
  ...[...peopleCases, ...workloadCases, ...awsStsCases],
];
